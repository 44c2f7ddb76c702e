import { z } from 'zod'
import { SOFT_FORGET } from '../core/safety.ts'
import { parseBytes, parseDuration } from '../core/units.ts'

const text = z.string().min(1)

/** What a number of the configuration counts: it is written, and shown, with its unit. */
export type Unit = 'bytes' | 'seconds' | 'bytes a second'

const unit = (counted: Unit) => ({ unit: counted })

const size = z
  .union([z.number().int().positive(), text])
  .transform((value, ctx) => {
    const bytes = typeof value === 'number' ? value : parseBytes(value)
    if (bytes !== undefined) return bytes
    ctx.addIssue({ code: 'custom', message: `${value} is not a size: write 512MiB` })
    return z.NEVER
  })
  .meta(unit('bytes'))

const duration = text
  .transform((value, ctx) => {
    const seconds = parseDuration(value)
    if (seconds !== undefined) return seconds
    ctx.addIssue({ code: 'custom', message: `${value} is not a duration: write 36h or 30d` })
    return z.NEVER
  })
  .meta(unit('seconds'))

const rate = text
  .transform((value, ctx) => {
    const bytes = parseBytes(value.replace(/\/s$/, ''))
    if (bytes !== undefined && bytes > 0) return bytes
    ctx.addIssue({ code: 'custom', message: `${value} is not a rate: write 20MiB/s` })
    return z.NEVER
  })
  .meta(unit('bytes a second'))

const places = (what: string) =>
  z.int().min(0).optional().describe(`Keep the newest backup of each of the newest ${what}.`)

const cron = (what: string) => text.optional().describe(`When to make ${what}: \`0 */6 * * *\`.`)

/** Values that may hold a secret are kept as they are written, and read when they are needed: see secrets.ts. */
const secret = text.meta({ secret: true })

/**
 * The configuration. Descriptions make `config schema`, the docs and the help; unknown keys are errors.
 */
export const configSchema = z.strictObject({
  clickhouse: z
    .strictObject({
      url: text.default('http://127.0.0.1:8123').describe('ClickHouse’s HTTP address.'),
      user: text
        .default('default')
        .describe('The user that freezes and attaches; `permafrost doctor` lists the grants that it needs.'),
      password: secret.optional().describe('Its password, as `${file:/path}` or `${env:NAME}`.'),
      disks: z
        .record(z.string(), text)
        .default({})
        .describe(
          'Where this machine sees the server’s disks, by name, when that is not where the server has them: containers.',
        ),
      engine: z
        .enum(['freeze', 'native'])
        .default('freeze')
        .describe(
          'Who makes backups: `native` is the server’s own BACKUP, for where nobody sees its disks; see native.md.',
        ),
      'native-to': text
        .optional()
        .describe(
          'Where it puts them: `disk:<name>/<prefix>`, `file:<path>`, `s3:<named collection>/<prefix>`, `https://…`.',
        ),
    })
    .prefault({})
    .describe('The server to back up. Permafrost runs on its machine and reads its files.'),
  embedded: z
    .strictObject({
      path: text.describe('ClickHouse’s data directory.'),
      config: text.optional().describe('A configuration file of ClickHouse’s own: disks, policies, users.'),
    })
    .optional()
    .describe(
      'Instead of a server: a ClickHouse that Permafrost starts itself for each command, on this data directory.',
    ),
  repository: z
    .strictObject({
      url: text
        .optional()
        .describe('Where backups go: `file:///path`, `s3://bucket/prefix?region=…`; see locations.md for every kind.'),
      key: secret
        .optional()
        .describe('What opens it: `${file:/path}` of a key file, or a passphrase by `${env:NAME}`.'),
      credentials: z
        .record(z.string(), secret)
        .meta({ secret: true })
        .default({})
        .describe(
          'What the location asks for, by name, each as `${file:/path}` or `${env:NAME}`; without them the vendor’s own chain is used.',
        ),
    })
    .prefault({})
    .describe('The repository that holds the backups.'),
  copy: z
    .strictObject({
      to: z.array(text).default([]).describe('Where `permafrost copy` copies backups to, when no `--to` is given.'),
      key: secret.optional().describe('What opens these repositories, when it is not `repository.key`.'),
      credentials: z
        .record(z.string(), secret)
        .meta({ secret: true })
        .default({})
        .describe('What these locations ask for, as in `repository.credentials`.'),
    })
    .prefault({})
    .describe('Second repositories: three copies, two kinds of store, one of them elsewhere.'),
  select: z
    .strictObject({
      tables: z
        .array(text)
        .min(1)
        .default(['*.*'])
        .describe('Which tables: `db.table` with `*` and `?`; `!` in front leaves out.'),
    })
    .prefault({})
    .describe('What to back up.'),
  retention: z
    .strictObject({
      'keep-last': z.int().min(0).optional().describe('Keep this many of the newest backups.'),
      'keep-hourly': places('hours that have one'),
      'keep-daily': places('days'),
      'keep-weekly': places('ISO weeks'),
      'keep-monthly': places('months'),
      'keep-yearly': places('years'),
      'keep-within': duration.optional().describe('Keep everything younger than this: `36h`, `30d`.'),
      'keep-tag': z.array(text).optional().describe('Keep backups with any of these tags.'),
      grace: duration.default(SOFT_FORGET).describe('How long a forgotten backup can be taken back: `7d`.'),
    })
    .prefault({})
    .describe('What `permafrost forget` keeps, per server and selection of tables.'),
  schedule: z
    .strictObject({
      backup: cron('a backup of what `select.tables` says'),
      verify: cron('a verify of the newest backup, down to the content'),
      drill: cron('a drill of the newest backup'),
      copy: cron('a copy of every backup that the places of `copy.to` lack'),
      prune: cron('`forget` by the retention policy, and a prune'),
      timezone: text.default('UTC').describe('Whose clock the expressions go by: `Europe/Berlin`.'),
      jitter: duration
        .prefault('0s')
        .describe('Start up to so much later, at random: spares a store that many agents share.'),
    })
    .prefault({})
    .describe('When `permafrost agent` does what, as cron expressions.'),
  agent: z
    .strictObject({
      listen: text.default('127.0.0.1:7171').describe('Address and port of the REST API and the console.'),
      tokens: secret
        .optional()
        .describe('The file of tokens, as `${file:/path}`; `permafrost agent token add` writes into it.'),
      certificate: text.optional().describe('TLS: the file of the certificate and its chain.'),
      'private-key': text.optional().describe('TLS: the file of its private key.'),
      traces: text.optional().describe('Where OpenTelemetry traces go, by OTLP over HTTP: `http://127.0.0.1:4318`.'),
    })
    .prefault({})
    .describe('The long-running process: scheduler, REST API, console.'),
  notify: z
    .strictObject({
      url: secret.optional().describe('A webhook: JSON is posted to it.'),
      ping: secret
        .optional()
        .describe('A check that wants to hear of every backup, in the manner of healthchecks: `/start`, `/fail`.'),
      on: z
        .array(z.enum(['failed', 'overdue', 'damaged', 'recovered']))
        .default(['failed', 'overdue', 'damaged', 'recovered'])
        .describe('What the webhook is told.'),
    })
    .prefault({})
    .describe('Who is told when something is wrong.'),
  drill: z
    .strictObject({
      checks: z
        .array(text)
        .default([])
        .describe('SQL that a drill asks of the restored tables; a row of true values passes.'),
      'max-bytes': size
        .optional()
        .describe(
          'How much a drill restores, such as `50GiB`: a sample, another one each time. All of it when not given.',
        ),
      scratch: text
        .optional()
        .describe(
          'Where drills and queries make their disposable ClickHouse; the system’s temporary directory when not given.',
        ),
    })
    .prefault({})
    .describe('What `permafrost drill` restores and asks.'),
  status: z
    .strictObject({
      'max-age': duration.default(26 * 3600).describe('How old the last good backup of a table may be: `26h`.'),
      'max-drill-age': duration.default(8 * 86_400).describe('How long ago the last drill may have been: `8d`.'),
    })
    .prefault({})
    .describe('When `permafrost status --check` finds that something is overdue.'),
  limits: z
    .strictObject({
      memory: size
        .optional()
        .describe('Memory for packs on their way, such as `512MiB`; 48 MiB for each worker when not given.'),
      workers: z
        .int()
        .min(1)
        .max(64)
        .optional()
        .describe('Worker threads; as many as there are processors, and at most 8, when not given.'),
      compression: z
        .enum(['off', 'auto'])
        .default('auto')
        .describe(
          'Whether to compress once more what ClickHouse has compressed: `auto` tries the first megabyte of each file, and goes on where that saves 8 %. `off` spares processor time.',
        ),
      upload: rate.optional().describe('The most that is sent to the store: `20MiB/s`.'),
      download: rate.optional().describe('The most that is read from it.'),
      silence: duration.prefault('60s').describe('A request in which nothing moves for so long is given up.'),
      patience: duration
        .prefault('5m')
        .describe('How long a request that failed is tried again before the command gives up.'),
    })
    .prefault({})
    .describe('How much of the machine, the line and the store’s patience to use.'),
})

export type Config = z.infer<typeof configSchema>

/** Every key with a value of its own, by its path: `repository.url`. */
export interface ConfigKey {
  readonly path: string
  readonly description: string
  readonly secret: boolean
  readonly unit: Unit | undefined
  /** `PERMAFROST_REPOSITORY_URL`; maps can be given in a file only. */
  readonly environment: string | undefined
  readonly list: boolean
}

/** All keys of the configuration, in order. */
export function configKeys(): readonly ConfigKey[] {
  return Object.entries(configSchema.shape).flatMap(([group, schema]) => {
    const fields = objectOf(schema).shape
    return Object.entries(fields).map(([name, field]): ConfigKey => {
      const path = `${group}.${name}`
      const inner = unwrap(field)
      const isMap = inner instanceof z.ZodRecord
      return {
        path,
        description: field.description ?? '',
        secret: inner.meta()?.['secret'] === true,
        unit: inner.meta()?.['unit'] as Unit | undefined,
        environment: isMap ? undefined : `PERMAFROST_${path.replaceAll(/[.-]/g, '_').toUpperCase()}`,
        list: inner instanceof z.ZodArray,
      }
    })
  })
}

/** The same as JSON Schema, for editors. */
export function configJsonSchema(): unknown {
  return z.toJSONSchema(configSchema, { io: 'input', unrepresentable: 'any' })
}

/** The keys that an object of the configuration knows; for suggestions. */
export function knownKeys(path: readonly PropertyKey[]): readonly string[] {
  const [group] = path
  if (group === undefined) return Object.keys(configSchema.shape)
  const schema = Object.entries(configSchema.shape).find(([name]) => name === group)?.[1]
  return schema ? Object.keys(objectOf(schema).shape) : []
}

function objectOf(schema: z.ZodType): z.ZodObject {
  const inner = unwrap(schema)
  if (inner instanceof z.ZodObject) return inner
  throw new TypeError('every group of the configuration is an object')
}

function unwrap(schema: z.core.$ZodType): z.ZodType {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault)
    return unwrap(schema.def.innerType)
  return schema as z.ZodType
}
