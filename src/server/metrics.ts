import { Counter, Gauge, Registry } from 'prom-client'
import { backupTime } from '../core/backup-id.ts'
import type { Meter } from '../storage/meter.ts'
import type { EndedCall } from '../storage/tell-calls.ts'
import { SCHEDULED_KINDS } from './contract/agent.ts'
import type { Operation } from './contract/operations.ts'
import type { AnswerOf } from './contract/routes.ts'
import { hasEnded } from './jobs.ts'

/** What the agent measures, in Prometheus’ text format. */
export interface Metrics {
  /** Count a call of a store. */
  readonly stored: (location: string, call: EndedCall) => void
  /** Take in an operation that has ended; one of an earlier run is not counted again. */
  ended(operation: Operation, from: 'now' | 'history'): void
  /** Take in how it stands. */
  stands(status: AnswerOf<'status'>, schedule: AnswerOf<'schedule'>): void
  text(): Promise<string>
  readonly contentType: string
}

const DONE = new Set(['ok', 'incomplete'])

/** Metrics of an agent; names end in their units, as Prometheus asks for. */
export function createMetrics(version: string, storeUsage: Meter['usage']): Metrics {
  const registry = new Registry()
  const registers = [registry]
  const gauge = (name: string, help: string, labelNames: readonly string[] = []) =>
    new Gauge({ name: `permafrost_${name}`, help, labelNames, registers })
  const counter = (name: string, help: string, labelNames: readonly string[]) =>
    new Counter({ name: `permafrost_${name}`, help, labelNames, registers })

  gauge('info', 'The version that runs.', ['version']).set({ version }, 1)
  const operations = counter('operations_total', 'Operations that ended, by how.', ['operation', 'state'])
  const success = gauge('last_success_timestamp_seconds', 'When the last one went well.', ['operation'])
  const failure = gauge('last_failure_timestamp_seconds', 'When the last one did not.', ['operation'])
  const duration = gauge('last_duration_seconds', 'How long the last one took that went well.', ['operation'])
  const lastBackup = gauge('last_backup_bytes', 'Of the last backup that the agent made.', ['kind'])
  const dead = gauge('dead_bytes', 'In packs that no backup reaches, as the last prune found.')
  const copied = gauge('copied_backups', 'Backups that a copy has, of those that the last copy was asked for.', [
    'store',
  ])
  const copiedUpTo = gauge('copied_newest_timestamp_seconds', 'When the newest of them was made.', ['store'])
  const requests = counter('storage_requests_total', 'Calls of a store.', ['store', 'method', 'outcome'])
  const bytes = counter('storage_bytes_total', 'Bytes to and from a store.', ['store', 'direction'])
  const retries = counter('storage_retries_total', 'Requests that failed and were tried again.', ['method'])
  const throttles = counter('storage_throttles_total', 'Of these, those after a store had asked for patience.', [
    'method',
  ])

  const backups = gauge('backups', 'Backups in the repository.')
  const proven = gauge('backups_proven', 'Backups that were read back to the last byte, and were right.')
  const damaged = gauge('backups_damaged', 'Backups in which damage is known.')
  const age = gauge('backup_age_seconds', 'Age of the newest good backup: what would be lost now.')
  const unproven = gauge('oldest_unproven_timestamp_seconds', 'When the oldest backup was made that nothing proves.')
  const drillTime = gauge('last_drill_timestamp_seconds', 'When the last drill ended.')
  const drillResult = gauge('last_drill_passed', 'Whether it passed.')
  const drillSeconds = gauge('last_drill_seconds', 'How long it took: what a restore would.')
  const logical = gauge('logical_bytes', 'What the newest backups would restore.')
  const stored = gauge('stored_bytes', 'What all backups added.')
  const overdue = gauge('overdue', 'Whether this should have happened by now.', ['operation'])
  const paused = gauge('schedule_paused', 'Whether the schedule is paused.')
  const queued = gauge('operations_queued', 'Operations that wait.')
  const running = gauge('operations_running', 'Operations that run.')
  const memory = gauge('memory_bytes', 'Memory of the agent.', ['kind'])

  // A number that nobody knows is absent, not 0.
  for (const one of [dead, unproven, drillTime, drillResult, drillSeconds]) one.remove()

  const copyEnded = ({ plan: { to, there }, result: { copied: ids } }: Copied): void => {
    const all = [...there, ...ids].toSorted()
    const newest = backupTime(all.at(-1) ?? '')
    copied.set({ store: to }, all.length)
    if (newest) copiedUpTo.set({ store: to }, newest.getTime() / 1000)
  }
  const cameOf = (kind: Operation['kind'], { summary, plan, collected, copies = [] }: Result): void => {
    if (kind === 'backup' && summary)
      for (const name of ['logical', 'stored', 'reused'] as const) lastBackup.set({ kind: name }, summary[name])
    if (kind === 'prune' && plan && collected) dead.set(plan.deadBytes - collected.bytes)
    copies.forEach(copyEnded)
  }

  return {
    contentType: registry.contentType,
    text: () => {
      const { rss, heapUsed } = process.memoryUsage()
      memory.set({ kind: 'resident' }, rss)
      memory.set({ kind: 'heap' }, heapUsed)
      retries.reset()
      throttles.reset()
      for (const [method, usage] of Object.entries(storeUsage())) {
        retries.inc({ method }, usage.retries)
        throttles.inc({ method }, usage.throttles)
      }
      return registry.metrics()
    },
    stored: (store, { kind, outcome, received, sent }) => {
      requests.inc({ store, method: kind, outcome })
      if (received > 0) bytes.inc({ store, direction: 'in' }, received)
      if (sent > 0) bytes.inc({ store, direction: 'out' }, sent)
    },
    ended: ({ kind, state, started, finished, result }, from) => {
      if (finished === undefined) return
      const at = Date.parse(finished) / 1000
      if (from === 'now') operations.inc({ operation: kind, state })
      if (state === 'failed' || state === 'damaged' || state === 'interrupted') failure.set({ operation: kind }, at)
      if (!DONE.has(state)) return
      success.set({ operation: kind }, at)
      if (started !== undefined) duration.set({ operation: kind }, at - Date.parse(started) / 1000)
      cameOf(kind, result ?? {})
    },
    stands: (status, schedule) => {
      backups.set(status.backups)
      proven.set(status.proven)
      damaged.set(status.damaged)
      age.set(status.lastGood?.seconds ?? Number.POSITIVE_INFINITY)
      if (status.oldestUnproven) unproven.set(Date.parse(status.oldestUnproven.started) / 1000)
      else unproven.remove()
      if (status.lastDrill) {
        drillTime.set(Date.parse(status.lastDrill.at) / 1000)
        drillResult.set(status.lastDrill.result === 'ok' ? 1 : 0)
        drillSeconds.set(status.lastDrill.seconds)
      }
      logical.set(status.logical)
      stored.set(status.stored)
      for (const operation of SCHEDULED_KINDS)
        overdue.set({ operation }, schedule.entries.find(({ kind }) => kind === operation)?.overdue ? 1 : 0)
      paused.set(schedule.paused ? 1 : 0)
      queued.set(status.queued)
      running.set(status.running.length)
    },
  }
}

interface Copied {
  readonly plan: { readonly to: string; readonly there: readonly string[] }
  readonly result: { readonly copied: readonly string[] }
}

interface Result {
  readonly summary?: Readonly<Record<'logical' | 'stored' | 'reused', number>>
  readonly plan?: { readonly deadBytes: number }
  readonly collected?: { readonly bytes: number }
  readonly copies?: readonly Copied[]
}

/** What ended before the agent was started counts, too: a restart must not look like silence. */
export function takeInHistory(metrics: Metrics, operations: readonly Operation[]): void {
  for (const operation of operations.toReversed()) if (hasEnded(operation)) metrics.ended(operation, 'history')
}
