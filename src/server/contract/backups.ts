import { z } from 'zod'
import { count, finding, list, time } from './shapes.ts'

export const summary = z.object({
  id: z.string(),
  status: z.enum(['complete', 'incomplete']),
  started: time,
  finished: time,
  host: z.string(),
  server: z.string(),
  clickhouse: z.string(),
  permafrost: z.string(),
  session: z.string(),
  parent: z.string().optional(),
  tags: list(z.string()),
  selection: list(z.string()),
  tables: count,
  parts: count,
  rows: count,
  logical: count.describe('Bytes that it would restore.'),
  stored: count.describe('Bytes that it added to the repository.'),
  reused: count.describe('Logical bytes that were there before.'),
  findings: count,
})

const drill = z.object({
  tables: list(
    z.object({
      table: z.string(),
      parts: count,
      rows: count,
      bytes: count,
      restoreSeconds: z.number(),
      checkSeconds: z.number(),
      hash: z.string().optional().describe('Of all rows, in no order.'),
      whole: z.boolean(),
      problems: list(z.string()),
    }),
  ),
  checks: list(
    z.object({ sql: z.string(), result: z.enum(['ok', 'failed', 'skipped']), message: z.string().optional() }),
  ),
  problems: list(z.string()).describe('What kept it from its end.'),
  restoreSeconds: z.number(),
  estimate: z.number().optional().describe('Seconds that restoring the whole backup would take.'),
})

/** What somebody checked: level 1 inventory, 2 scrub, 3 content, 4 drill. */
const attestation = z.object({
  backup: z.string(),
  level: z.union([z.literal(1), z.literal(2), z.literal(3), z.literal(4)]),
  at: time,
  by: z.string(),
  permafrost: z.string(),
  result: z.enum(['ok', 'damaged', 'failed']),
  whole: z.boolean(),
  parts: count,
  bytes: count,
  seconds: z.number(),
  problems: count,
  bad: list(z.string()),
  drill: drill.optional(),
})

const known = {
  proven: attestation.optional().describe('The best check of all of it that nothing later speaks against.'),
  damaged: attestation.optional().describe('Damage that no later check denies.'),
  drill: attestation.optional().describe('The newest drill, whatever came of it.'),
  heldUntil: time.optional(),
}

/** A backup in the list; one whose record does not read says so. */
export const listedBackup = z.discriminatedUnion('outcome', [
  z.object({ outcome: z.literal('read'), ...summary.shape, ...known }),
  z.object({ outcome: z.literal('damaged'), id: z.string(), message: z.string() }),
])
export type ListedBackupAnswer = z.infer<typeof listedBackup>

export const backupsQuery = z.object({
  which: z.enum(['kept', 'forgotten']).default('kept'),
  host: z.string().optional(),
  tag: z.string().optional(),
})
export const backupsAnswer = z.object({ backups: list(listedBackup).describe('Oldest first.') })

const part = z.object({
  name: z.string(),
  rows: count,
  bytes: count,
  disk: z.string(),
  files: count,
  segments: count,
  suspect: list(z.string()).optional(),
})
const partition = z.object({
  id: z.string(),
  rows: count,
  bytes: count,
  parts: count,
  suspect: count,
  partitionParts: list(part).optional(),
})
const schema = z.object({
  create: z.string(),
  columns: list(z.object({ name: z.string(), type: z.string() })),
  partitionKey: z.string(),
  sortingKey: z.string(),
  primaryKey: z.string(),
  samplingKey: z.string(),
})
const table = z.object({
  database: z.string(),
  name: z.string(),
  uuid: z.string().optional(),
  engine: z.string(),
  rows: count,
  bytes: count,
  parts: count,
  frozenAt: time,
  schema: schema.optional(),
  partitions: list(partition).optional(),
})

/** `partitions`, `parts` and `schema` of one table: `?detail=parts&schema=true&table=db.name`. */
export const backupQuery = z.object({
  detail: z.enum(['tables', 'partitions', 'parts']).default('tables'),
  schema: z.stringbool().default(false),
  table: z.string().max(1000).optional().describe('Only this table: `db.table`, names with dots in backticks.'),
})
export const backupAnswer = z.object({
  summary,
  ...known,
  databases: list(z.object({ name: z.string(), engine: z.string(), create: z.string() })),
  tables: list(table),
  definitions: list(z.object({ kind: z.string(), name: z.string(), statements: list(z.string()).optional() })).describe(
    'What holds no rows of its own, and, when no table was named, what belongs to the server.',
  ),
  findings: list(finding),
})

const comparedPart = z.object({ name: z.string(), identity: z.string(), rows: count, bytes: count })
export const diffQuery = z.object({
  against: z
    .string()
    .max(300)
    .default('previous')
    .describe('`previous` (of the same host and selection), `live`, or the name of a backup.'),
})
export const diffAnswer = z.object({
  before: z.string().describe('A backup, or `nothing`.'),
  after: z.string().describe('A backup, or `live`.'),
  tables: list(
    z.object({
      database: z.string(),
      name: z.string(),
      change: z.enum(['added', 'dropped', 'changed', 'same']),
      renamedFrom: z.object({ database: z.string(), name: z.string() }).optional(),
      definition: z.object({ removed: list(z.string()), added: list(z.string()) }).optional(),
      partitions: list(
        z.object({
          id: z.string(),
          change: z.enum(['added', 'dropped', 'changed']),
          added: list(comparedPart),
          removed: list(comparedPart),
          same: count,
        }),
      ),
      rows: z.number(),
      bytes: z.number(),
    }),
  ),
})
