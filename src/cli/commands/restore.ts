import { PermafrostError } from '../../core/errors.ts'
import { parseNames } from '../../core/parse-names.ts'
import type { AccessWish } from '../../core/plan-access.ts'
import type { QueueWish } from '../../core/plan-definitions.ts'
import { replacedName } from '../../core/replaced-name.ts'
import type { RestoreAction, RestoreMode, RestorePlan, RestoreStep, RestoreWish } from '../../core/restore-plan.ts'
import { parsePartitionChoice, parseSelector } from '../../core/selector.ts'
import { displayName, sql } from '../../core/sql.ts'
import { formatBytes, plural } from '../../core/units.ts'
import type { PostHogAnswer } from '../../operations/check-posthog.ts'
import type { Context } from '../../operations/context.ts'
import type { RestoreResult } from '../../operations/restore.ts'
import type { RestoreSource } from '../../operations/restore-source.ts'
import { answerWithRequests } from '../answer-with-requests.ts'
import { collect, exitCodeOf } from '../command.ts'
import type { AddCommand } from '../command.ts'
import { confirmByName } from '../confirm.ts'
import { findBackup } from '../../operations/find-backup.ts'
import { findLocal, isLocal } from '../find-local.ts'
import { isNative } from '../native-answers.ts'
import { runByAgent } from '../run-by-agent.ts'
import type { RequestOf } from '../../server/contract/operations.ts'
import { profileOption } from '../profile-option.ts'
import type { Profile } from '../profile-option.ts'
import type { Composition } from '../compose.ts'

type RestoreRequest = RequestOf<'restore'>

interface Options {
  readonly table: readonly string[]
  readonly partition: readonly string[]
  readonly as: readonly string[]
  readonly queues?: string
  readonly engine?: string
  readonly replicaPath?: string
  readonly dropReplica?: boolean
  readonly anyVersion?: boolean
  readonly access?: string
  readonly schemaOnly?: boolean
  readonly dataOnly?: boolean
  readonly intoDetached?: boolean
  readonly replace?: boolean
  readonly confirm?: string
  readonly dryRun?: boolean
  readonly profile?: Profile
  readonly serverFiles?: string
  readonly agent?: string | true
}

/** `permafrost restore <backup>` */
export const addRestore: AddCommand = (program, run) => {
  program
    .command('restore <backup>')
    .summary('put tables back')
    .description(
      'Put tables back, checked byte by byte before they are seen. What exists is never overwritten: it is a conflict, and the message says what to do.',
    )
    .option('-t, --table <pattern>', 'only these tables (repeatable)', collect, [])
    .option('--partition <db.table:id>', 'only these partitions (repeatable)', collect, [])
    .option('--as <name>', 'elsewhere: db, db.table, or from=to (repeatable); references follow', collect, [])
    .option('--queues <what>', 'Kafka and the like: skip, detached (the default), or group=<consumer group>')
    .option('--engine <kind>', 'plain: replicated tables become plain ones')
    .option('--replica-path <path>', 'where replicas meet in ZooKeeper: /clickhouse/{shard}/{database}.{table}')
    .option('--drop-replica', 'remove what a lost table of this replica left in ZooKeeper')
    .option('--access <what>', 'users, roles and policies as well; of those that exist: fail, skip or replace')
    .option('--any-version', 'restore to an older ClickHouse than the backup is of')
    .option('--schema-only', 'make the tables, empty')
    .option('--data-only', 'attach the data to tables that are there')
    .option('--into-detached', 'lay the parts into detached/ of tables that are there, and attach nothing')
    .option('--replace', 'swap with what is there, in one step; what was there is kept under another name')
    .addOption(profileOption('ask afterwards what its people would look at first, and name pending deletions'))
    .option('--confirm <name>', 'the name that --replace would ask for')
    .option('--agent [url]', 'let a running agent do it, and follow it')
    .option('--server-files <directory>', 'nothing but the server’s files, into this new directory')
    .option('-n, --dry-run', 'show the plan, and change nothing')
    .action((name: string, options: Options, command) =>
      run(command, async (c) => {
        if (options.agent !== undefined) return byAgent(c, options.agent, { name, options })
        if (isNative(name)) return byServer(c, name, options)
        if (options.serverFiles !== undefined) return layFiles(c, name, options.serverFiles)
        const wish = wishOf(options)
        const { prepareRestoreFrom } = await import('../../operations/restore.ts')
        const source = await sourceOf(c, name)
        const ctx = { ...c.base(), engine: await c.engine() }
        const prepared = await prepareRestoreFrom(source, ctx, {
          wish,
          selector: parseSelector(options.table),
          partitions: options.partition.map(parsePartitionChoice),
        })
        if (options.dryRun) {
          c.output.answer(prepared.plan, () => describePlan(prepared.plan))
          return 0
        }
        const replaced = replacedName(prepared.plan)
        if (replaced !== undefined) await confirmByName(c, { name: replaced, given: options.confirm, act: 'replace' })
        const result = await prepared.run()
        const answers = options.profile ? await askPostHog(ctx, result) : undefined
        answerWithRequests(c, { ...result, ...(answers && { answers }) }, () => [
          ...describe(result),
          ...(answers ?? []).flatMap(describeAnswer),
        ])
        return exitCodeOf(result.findings)
      }),
    )
}

/** The same plan, question and answer as without it. */
async function byAgent(
  c: Composition,
  url: string | true,
  { name, options }: { readonly name: string; readonly options: Options },
): Promise<number> {
  const { as: _, renames: __, ...wish } = wishOf(options)
  const { table, partition, as, profile, serverFiles } = options
  const request: RestoreRequest = {
    kind: 'restore',
    backup: name,
    ...wish,
    ...(table.length > 0 && { tables: table }),
    ...(partition.length > 0 && { partitions: partition }),
    ...(as.length > 0 && { as }),
  }
  const { agentClient } = await import('../agent-client.ts')
  const planned = await agentClient(c, url).ask('plan', { body: request })
  if (options.dryRun) {
    c.output.answer(planned.plan, () => describePlan(planned.plan as RestorePlan))
    return 0
  }
  const confirm = planned.kind === 'restore' ? planned.confirm : undefined
  if (confirm !== undefined) await confirmByName(c, { name: confirm, given: options.confirm, act: 'replace' })
  const { result, exit } = await runByAgent<RestoreResult>(c, {
    url,
    request: { ...request, ...(confirm !== undefined && { confirm }) },
    untold: { '--profile': profile, '--server-files': serverFiles },
  })
  c.output.answer(result, () => describe(result))
  return exit
}

/** A backup that the server made is restored by the server. */
async function byServer(c: Composition, name: string, options: Options): Promise<number> {
  const { table, as, dryRun, partition, ...others } = options
  if (partition.length > 0 || Object.keys(others).length > 0)
    throw new PermafrostError('USAGE', 'a native backup is restored with -t, --as and --dry-run only')
  const { answerNativeRestore } = await import('../native-answers.ts')
  return answerNativeRestore(c, name, { table, as, ...(dryRun && { dryRun }) })
}

async function layFiles(c: Composition, name: string, directory: string): Promise<number> {
  const { layServerFiles } = await import('../../operations/lay-server-files.ts')
  const repository = await c.repository('read')
  const { id } = await findBackup(repository, name)
  const laid = await layServerFiles({ ...c.base(), repository }, id, directory)
  c.output.answer(laid, () => [
    `Laid ${plural(laid.files.length, 'file')} of ${id} into ${laid.directory}; copy from there what the server needs:`,
    ...laid.files.map((path) => `  ${laid.directory}${path}`),
  ])
  return 0
}

/** A backup in the repository, or a local snapshot: `local:<id>`. */
async function sourceOf(c: Composition, name: string): Promise<RestoreSource> {
  if (isLocal(name)) {
    const { localSource } = await import('../../operations/local-source.ts')
    const info = await (await c.engine()).describe()
    return localSource(c.base(), await findLocal(c, name), info)
  }
  const { repositorySource } = await import('../../operations/repository-source.ts')
  const repository = await c.repository('read')
  return repositorySource({ ...c.base(), repository }, await findBackup(repository, name))
}

async function askPostHog(
  ctx: Pick<Context, 'engine' | 'emit'>,
  { tables }: RestoreResult,
): Promise<readonly PostHogAnswer[]> {
  const { checkPostHog } = await import('../../operations/check-posthog.ts')
  return checkPostHog(
    ctx,
    tables.map(({ table }) => table),
  )
}

function describeAnswer({ title, statement, rows }: PostHogAnswer): readonly string[] {
  const row = (values: object) =>
    Object.entries(values)
      .map(([name, value]) => `${name} ${String(value)}`)
      .join(', ')
  return ['', `${title}:  ${statement}`, ...(rows.length > 0 ? rows.map((one) => `  ${row(one)}`) : ['  none'])]
}

function wishOf(options: Options): RestoreWish {
  const { engine, replicaPath, dropReplica, anyVersion, access } = options
  if (engine !== undefined && engine !== 'plain')
    throw new PermafrostError('USAGE', `--engine ${engine} is unknown`, { hint: '--engine plain' })
  return {
    mode: modeOf(options),
    ...parseNames(options.as),
    ...(options.queues !== undefined && { queues: queueWish(options.queues) }),
    ...(engine && { engine }),
    ...(replicaPath !== undefined && { replicaPath }),
    ...(dropReplica && { dropReplica }),
    ...(anyVersion && { anyVersion }),
    ...(access !== undefined && { access: accessWish(access) }),
  }
}

function accessWish(text: string): AccessWish {
  if (text === 'fail' || text === 'skip' || text === 'replace') return text
  throw new PermafrostError('USAGE', `--access ${text} is unknown`, { hint: 'fail, skip or replace' })
}

function queueWish(text: string): QueueWish {
  if (text === 'skip' || text === 'detached') return text
  const group = /^group=(.+)$/s.exec(text)?.[1]
  if (group !== undefined) return { group }
  throw new PermafrostError('USAGE', `--queues ${text} is unknown`, { hint: 'skip, detached, or group=<name>' })
}

function modeOf(options: Options): RestoreMode {
  const asked = (['schemaOnly', 'dataOnly', 'intoDetached', 'replace'] as const).filter((flag) => options[flag])
  if (asked.length > 1)
    throw new PermafrostError('USAGE', '--schema-only, --data-only, --into-detached and --replace exclude one another')
  const modes = { schemaOnly: 'schema', dataOnly: 'data', intoDetached: 'detached', replace: 'replace' } as const
  const [flag] = asked
  if (flag === 'schemaOnly' && options.partition.length > 0)
    throw new PermafrostError('USAGE', '--schema-only and --partition exclude one another')
  return flag ? modes[flag] : 'all'
}

const ACTIONS: Readonly<Record<RestoreAction, string>> = {
  create: 'new table',
  'create-empty': 'new table, empty',
  swap: 'replace the table, keep the old one beside it',
  'swap-partitions': 'replace partitions, keep the old ones beside it',
  attach: 'attach to the table',
  detach: 'into detached/',
  define: 'new definition',
  'define-detached': 'new queue, detached: it consumes nothing before you attach it',
  keep: 'is there already, and the same',
}

function describePlan(plan: RestorePlan): readonly string[] {
  return [
    `Restore of ${plan.backup} would do this:`,
    ...plan.databases.map(
      (database) => `  create database ${displayName({ database, name: '' }).replace(/\.``$/, '')}`,
    ),
    ...plan.serverEntries.map(({ kind, name }) => `  create ${kind} ${name}`),
    ...plan.steps.map((step) => `  ${displayName(step.target)}${amountOf(step)}`),
    ...asides(plan),
  ]
}

/** What is not restored, and what is to do about queues. */
function asides({ leftOut, offsets }: RestorePlan): readonly string[] {
  return [
    ...leftOut.map(({ object, reason }) => `  ${displayName(object)}: left out, ${reason}`),
    ...offsets.map(
      ({ queue, table, partition, offset }) =>
        `  ${displayName(queue)}: ${displayName(table)} holds it up to offset ${offset}${partition === undefined ? '' : ` of partition ${partition}`}`,
    ),
  ]
}

/** A definition has no rows to speak of. */
function amountOf({ action, engine, parts, rows, bytes }: RestoreStep): string {
  if (action === 'define' || action === 'define-detached' || action === 'keep') return `: ${ACTIONS[action]}, ${engine}`
  return `: ${ACTIONS[action]}, ${plural(parts, 'part')}, ${plural(rows, 'row')}, ${formatBytes(bytes)}`
}

function describe({ plan, tables }: RestoreResult): readonly string[] {
  return [
    `Restored ${plural(tables.length, 'table')} from ${plan.backup}`,
    ...plan.steps.map((step, index) => `  ${displayName(step.target)}${amountOf({ ...step, ...tables[index] })}`),
    ...asides(plan),
    ...plan.steps.flatMap(({ action, target }) =>
      action === 'define-detached' ? [`  it consumes once you say:  ${sql`ATTACH TABLE ${target}`.text}`] : [],
    ),
    ...tables.flatMap(({ table, kept, action }) => {
      if (action === 'detach') return [`  attach with:  ${sql`ALTER TABLE ${table} ATTACH PARTITION ALL`.text}`]
      return kept
        ? [
            `  what ${displayName(table)} held before is in ${displayName(kept)}; when you are sure:  ${sql`DROP TABLE ${kept}`.text}`,
          ]
        : []
    }),
  ]
}
