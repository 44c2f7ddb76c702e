import { z } from 'zod'
import { OPERATION_STATES, operation } from './operations.ts'
import { count, list, scope, time } from './shapes.ts'

export const sessionRequest = z.strictObject({ token: z.string().min(1).max(500) })
export const sessionAnswer = z.object({
  /** Whether anybody has to sign in at all: without tokens, the agent listens on the loopback only. */
  required: z.boolean(),
  authenticated: z.boolean(),
  name: z.string().optional(),
  scope: scope.optional(),
  expires: time.optional(),
})

export const SCHEDULED_KINDS = ['backup', 'verify', 'drill', 'copy', 'prune'] as const
export type ScheduledKind = (typeof SCHEDULED_KINDS)[number]

export const scheduleAnswer = z.object({
  paused: z.boolean(),
  timezone: z.string(),
  entries: list(
    z.object({
      kind: z.enum(SCHEDULED_KINDS),
      cron: z.string(),
      /** Absent when the expression never comes to pass again. */
      next: time.optional(),
      /** The last that was started by anyone through this agent. */
      last: time.optional(),
      lastState: z.enum(OPERATION_STATES).optional(),
      overdue: z.boolean().describe('The last success is older than the schedule allows.'),
    }),
  ),
})

/** A day of the strip, in UTC. `none due`: nothing was to happen · `overdue`: it was, and no backup came. */
export const DAY_STATES = ['ok', 'incomplete', 'failed', 'overdue', 'none due'] as const

export const statusAnswer = z.object({
  at: time,
  version: z.string(),
  host: z.string(),
  started: time.describe('When the agent was started.'),
  lastGood: z.object({ id: z.string(), finished: time, seconds: z.number().describe('Its age.') }).optional(),
  overdue: z.boolean(),
  backups: count,
  logical: count.describe('Bytes that the newest backup of each host would restore, together.'),
  stored: count.describe('Bytes that all backups added.'),
  proven: count.describe('Backups that were read back to the last byte.'),
  damaged: count,
  oldestUnproven: z.object({ id: z.string(), started: time }).optional(),
  lastDrill: z
    .object({ backup: z.string(), at: time, seconds: z.number(), result: z.enum(['ok', 'damaged', 'failed']) })
    .optional(),
  days: list(
    z.object({
      day: z.iso.date(),
      state: z.enum(DAY_STATES),
      backups: list(z.string()),
      failures: count,
    }),
  ).describe('The last 30 days, oldest first.'),
  running: list(operation),
  queued: count,
})

export const repositoryAnswer = z.object({
  id: z.string(),
  location: z.string(),
  created: z.string(),
  suite: z.string(),
  packTarget: count,
  backups: count,
  hosts: list(z.string()),
  oldest: z.string().optional(),
  newest: z.string().optional(),
  logical: count,
  packs: count,
  packBytes: count,
  metaPacks: count,
  metaBytes: count,
  dedup: z.number(),
  deadBytes: count,
  growth: z.record(z.string(), count),
})

export const doctorAnswer = z.object({
  checks: list(
    z.object({
      name: z.string(),
      status: z.enum(['ok', 'warning', 'failed']),
      message: z.string(),
      hint: list(z.string()).optional(),
      code: z.string().optional(),
    }),
  ),
})

export const configAnswer = z.object({
  file: z.string().optional(),
  settings: list(
    z.object({
      path: z.string(),
      value: z.unknown().optional(),
      origin: z.string(),
      description: z.string(),
    }),
  ).describe('Secrets as references or stars.'),
})

export const auditEntry = z.object({
  at: time,
  by: z.string(),
  address: z.string(),
  action: z.string().describe('`POST /api/v1/operations`, with the kind of operation.'),
  outcome: z.int().describe('The HTTP status.'),
  operation: z.string().optional(),
})
export const auditAnswer = z.object({ entries: list(auditEntry).describe('Newest first.') })
export const auditQuery = z.object({ limit: z.coerce.number().int().min(1).max(1000).default(100) })

export const healthAnswer = z.object({ status: z.literal('ok'), version: z.string() })

/** SQL on a backup, in place, read only. */
export const queryRequest = z.strictObject({
  backup: z.string().max(300).default('latest'),
  sql: z.string().min(1).max(100_000),
  maxRows: z.int().min(1).max(100_000).default(10_000),
})

/** One line of the streamed answer (NDJSON): columns first, then rows, then `end`, or an `error` anywhere. */
export const queryLine = z.discriminatedUnion('type', [
  z.object({ type: z.literal('columns'), columns: list(z.object({ name: z.string(), type: z.string() })) }),
  z.object({ type: z.literal('rows'), rows: list(list(z.unknown())) }),
  z.object({
    type: z.literal('end'),
    rows: count,
    truncated: z.boolean(),
    fetched: count.describe('Bytes that were read from the repository.'),
    seconds: z.number(),
  }),
  z.object({ type: z.literal('error'), error: z.unknown().describe('A problem.') }),
])
