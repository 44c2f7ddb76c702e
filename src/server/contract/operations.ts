import { z } from 'zod'
import { backupName, count, finding, list, pattern, patterns, problem, time } from './shapes.ts'
import type { Scope } from './shapes.ts'

/**
 * What can be started. No request names a file, a command or a setting: locations, checks and policies are those of the
 * configuration.
 */
export const operationRequest = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('backup'),
    tables: patterns.optional(),
    tags: list(z.string().min(1).max(100)).optional(),
    keepUntil: time.optional(),
    applyPatches: z.boolean().optional(),
    nonMergeTree: z.boolean().optional().describe('Rows of tables without parts as well.'),
  }),
  z.strictObject({
    kind: z.literal('verify'),
    backups: list(backupName).optional().describe('`latest` when none is named.'),
    all: z.boolean().optional(),
    level: z.enum(['inventory', 'scrub', 'content']).default('content'),
    tables: patterns.optional(),
    sample: z.number().gt(0).max(1).optional().describe('Share of the partitions, at random.'),
  }),
  z.strictObject({
    kind: z.literal('drill'),
    backup: backupName.default('latest'),
    tables: patterns.optional(),
  }),
  z.strictObject({
    kind: z.literal('restore'),
    backup: backupName,
    tables: patterns.optional(),
    partitions: list(pattern).optional().describe('`db.table:<partition id>`'),
    as: z
      .union([pattern, list(pattern)])
      .optional()
      .describe('Elsewhere: `db`, `db.table`, or `from=to`; several of these as a list.'),
    mode: z.enum(['all', 'schema', 'data', 'detached', 'replace']).default('all'),
    queues: z
      .union([z.enum(['skip', 'detached']), z.strictObject({ group: z.string().min(1).max(300) })])
      .optional()
      .describe('Kafka and the like: `detached` when nothing is said.'),
    engine: z.literal('plain').optional().describe('Replicated tables become plain ones.'),
    replicaPath: z.string().max(1000).optional().describe('Where replicas meet in ZooKeeper.'),
    dropReplica: z.boolean().optional().describe('Remove what a lost table of this replica left in ZooKeeper.'),
    anyVersion: z.boolean().optional().describe('To an older ClickHouse than the backup is of.'),
    access: z.enum(['fail', 'skip', 'replace']).optional().describe('Users, roles and policies as well.'),
    confirm: z.string().optional().describe('With `replace`: the table’s name, or the backup’s id for several.'),
  }),
  z.strictObject({
    kind: z.literal('forget'),
    backups: list(backupName).optional().describe('Without any, the retention policy decides.'),
    undo: z.boolean().optional(),
    confirm: z.string().optional().describe('The host’s name, to forget more than half of all.'),
  }),
  z.strictObject({ kind: z.literal('hold'), backup: backupName, until: time }),
  z.strictObject({
    kind: z.literal('copy'),
    backups: list(backupName).optional().describe('`latest` when none is named. They go to every place of `copy.to`.'),
    all: z.boolean().optional().describe('Every backup that a place lacks.'),
  }),
  z.strictObject({
    kind: z.literal('prune'),
    confirm: z.string().optional().describe('The repository’s id, to delete what cannot be explained, too.'),
  }),
])
export type OperationRequest = z.infer<typeof operationRequest>
export type RequestOf<K extends OperationRequest['kind']> = Extract<OperationRequest, { readonly kind: K }>

/** `pause` and `resume` are acts on the schedule; they stand in the history beside the rest. */
export const OPERATION_KINDS = [
  'backup',
  'verify',
  'drill',
  'restore',
  'forget',
  'hold',
  'copy',
  'prune',
  'pause',
  'resume',
] as const
export type OperationKind = (typeof OPERATION_KINDS)[number]

/** What a token must be allowed in order to start it. */
export function scopeOf(request: OperationRequest): Scope {
  switch (request.kind) {
    case 'backup':
    case 'verify':
    case 'drill':
    case 'hold':
    case 'copy':
      return 'operate'
    case 'restore':
      return takesAway(request) ? 'admin' : 'operate'
    case 'forget':
    case 'prune':
      return 'admin'
  }
}

/** Tables of the same name, users that there are, or what ZooKeeper still has of a table. */
function takesAway({ mode, access, dropReplica }: RequestOf<'restore'>): boolean {
  return mode === 'replace' || access !== undefined || dropReplica === true
}

/** `interrupted`: the agent ended, or was killed, before the operation did. */
export const OPERATION_STATES = [
  'queued',
  'running',
  'ok',
  'incomplete',
  'damaged',
  'failed',
  'cancelled',
  'interrupted',
] as const
export type OperationState = (typeof OPERATION_STATES)[number]

const done = z.object({ bytes: count, parts: count })
export const progress = z.object({ phase: z.string(), done, total: done, current: z.string() })

export const operation = z.object({
  id: z.string(),
  kind: z.enum(OPERATION_KINDS),
  state: z.enum(OPERATION_STATES),
  by: z.string().describe('`schedule`, or `<token’s name>`.'),
  host: z.string().describe('The agent’s machine.'),
  request: z.record(z.string(), z.unknown()),
  queued: time,
  started: time.optional(),
  finished: time.optional(),
  phase: z.string().optional(),
  progress: progress.optional().describe('The last one.'),
  findings: count,
  result: z.unknown().optional().describe('What the command of this name prints with `--json`.'),
  error: problem.optional(),
})
export type Operation = z.infer<typeof operation>

export const operationsQuery = z.object({
  limit: z.coerce.number().int().min(1).max(1000).default(100),
  kind: z.enum(OPERATION_KINDS).optional(),
  state: z.enum(OPERATION_STATES).optional(),
})
export const operationsAnswer = z.object({ operations: list(operation).describe('Newest first.') })
export const operationAnswer = z.object({ operation })

/** One line of an operation’s log, and the `data` of a server-sent event, whose `event` is `type` and whose `id` is `seq`. */
export const logEntry = z.discriminatedUnion('type', [
  z.object({ type: z.literal('operation'), seq: count, at: time, operation }),
  z.object({ type: z.literal('phase'), seq: count, at: time, phase: z.string(), message: z.string() }),
  z.object({ type: z.literal('progress'), seq: count, at: time, ...progress.shape }),
  z.object({ type: z.literal('finding'), seq: count, at: time, ...finding.shape }),
])
export type LogEntry = z.infer<typeof logEntry>
export const operationLogAnswer = z.object({ operation, log: list(logEntry) })

/** What an operation would do: the value that the command prints with `--dry-run --json`. */
export const planAnswer = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('backup'), plan: z.unknown() }),
  z.object({
    kind: z.literal('copy'),
    /** One for each place of `copy.to`. */
    plan: list(
      z.object({
        from: z.string(),
        to: z.string(),
        mode: z.enum(['packs', 'parts']),
        backups: list(z.string()),
        there: list(z.string()),
        forgotten: list(z.string()),
        packs: count,
        bytes: count,
      }),
    ),
  }),
  z.object({
    kind: z.literal('restore'),
    /** The name to send as `confirm`, when something would be replaced. */
    confirm: z.string().optional(),
    plan: z.object({
      backup: z.string(),
      databases: list(z.string()),
      steps: list(
        z.object({
          action: z.enum([
            'create',
            'create-empty',
            'swap',
            'swap-partitions',
            'attach',
            'detach',
            'define',
            'define-detached',
            'keep',
          ]),
          source: z.object({ database: z.string(), name: z.string() }),
          target: z.object({ database: z.string(), name: z.string() }),
          engine: z.string(),
          partitions: list(z.string()),
          parts: count,
          rows: count,
          bytes: count,
        }),
      ),
    }),
  }),
  z.object({
    kind: z.literal('forget'),
    /** What to send as `confirm`, when more than half of all would be forgotten. */
    confirm: z.string().optional(),
    plan: z.object({
      decisions: list(z.object({ id: z.string(), keep: z.boolean(), reasons: list(z.string()) })),
      forget: list(z.string()),
      until: time,
    }),
  }),
  z.object({
    kind: z.literal('prune'),
    plan: z.object({
      dead: list(z.string()),
      deadBytes: count,
      totalBytes: count,
      packs: count,
      backups: list(z.string()),
    }),
  }),
])
export type PlanAnswer = z.infer<typeof planAnswer>
