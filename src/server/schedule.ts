import { Cron } from 'croner'
import { PermafrostError } from '../core/errors.ts'
import { isEmptyPolicy } from '../core/retention.ts'
import { SCHEDULED_KINDS } from './contract/agent.ts'
import type { ScheduledKind } from './contract/agent.ts'
import type { Operation, OperationRequest } from './contract/operations.ts'
import { hasEnded } from './jobs.ts'
import type { Jobs } from './jobs.ts'
import type { AgentPorts, AgentSettings } from './ports.ts'

export interface ScheduleEntry {
  readonly kind: ScheduledKind
  readonly cron: string
  readonly next: Date | undefined
}

/** Starts operations when they are due. */
export interface Schedule {
  entries(): readonly ScheduleEntry[]
  /** Start what is due, and say in how many milliseconds to look again. */
  tick(): number
  readonly timezone: string
  readonly isPaused: boolean
  pause(): void
  resume(): void
  /** Should this have happened by now, and did not? */
  isOverdue(kind: ScheduledKind, lastSuccess: Date | undefined): boolean
  /** Was anything of this kind due between the two? */
  wasDue(kind: ScheduledKind, from: Date, to: Date): boolean
}

/** Milliseconds: clocks are set and machines sleep, so nobody waits longer than this in one piece. */
const LONGEST_WAIT = 60_000
/** Milliseconds that a run may take before its absence is called overdue. */
const PATIENCE = 3_600_000

type SchedulePorts = Pick<AgentPorts, 'clock' | 'random' | 'log'>

/**
 * A schedule of cron expressions. What came due while the agent was down is made up for once. Nothing is started while the
 * last of its kind waits or runs.
 *
 * @throws CONFIG_INVALID
 */
export function createSchedule(settings: AgentSettings, jobs: Jobs, ports: SchedulePorts): Schedule {
  const { clock, random, log } = ports
  const { cron, timezone, jitter } = settings.schedule
  const crons = new Map(
    SCHEDULED_KINDS.flatMap((kind) => {
      const text = cron[kind]
      return text === undefined ? [] : [[kind, parse(text, kind, timezone)] as const]
    }),
  )
  // Before anything was known of, nothing was late.
  const since = new Date(jobs.list().at(-1)?.queued ?? clock())
  let isPaused = jobs.list().find(({ kind }) => kind === 'pause' || kind === 'resume')?.kind === 'pause'
  const nextAfter = (kind: ScheduledKind, from: Date): Date | undefined => {
    const next = crons.get(kind)?.nextRun(from)
    const share = Buffer.from(random(4)).readUInt32BE() / 2 ** 32
    return next ? new Date(next.getTime() + share * jitter * 1000) : undefined
  }
  const lastOf = (kind: ScheduledKind): Operation | undefined => jobs.list().find((one) => one.kind === kind)
  const due = new Map(
    [...crons.keys()].map((kind) => {
      const last = lastOf(kind)
      return [kind, nextAfter(kind, last ? new Date(last.queued) : clock())]
    }),
  )

  const start = (kind: ScheduledKind): void => {
    const last = lastOf(kind)
    if (last && !hasEnded(last))
      return log({ level: 'warning', message: `the last ${kind} still runs: this one is left out`, operation: last.id })
    for (const request of requestsOf(kind, settings)) jobs.start(request, 'schedule')
  }

  return {
    entries: () => [...crons].map(([kind]) => ({ kind, cron: cron[kind] ?? '', next: due.get(kind) })),
    tick: () => {
      const now = clock()
      for (const [kind, at] of due) {
        if (!at || at > now) continue
        due.set(kind, nextAfter(kind, now))
        if (!isPaused) start(kind)
      }
      const next = Math.min(...[...due.values()].map((at) => (at ? at.getTime() - now.getTime() : LONGEST_WAIT)))
      return Math.max(0, Math.min(LONGEST_WAIT, next))
    },
    timezone,
    get isPaused() {
      return isPaused
    },
    pause: () => void (isPaused = true),
    resume: () => void (isPaused = false),
    isOverdue: (kind, lastSuccess) => {
      const now = clock()
      const [latest, before] = crons.get(kind)?.previousRuns(2, now) ?? []
      if (!latest || (lastSuccess ?? since) >= latest) return false
      const last = lastOf(kind)
      const isWorking = last !== undefined && !hasEnded(last)
      if (!isWorking && now.getTime() - latest.getTime() > PATIENCE + jitter * 1000) return true
      return before !== undefined && (lastSuccess ?? since) < before
    },
    wasDue: (kind, from, to) => {
      const next = crons.get(kind)?.nextRun(new Date(from.getTime() - 1000))
      return next !== undefined && next !== null && next < to
    },
  }
}

/** A scheduled prune forgets by the policy first: there would be nothing to collect. */
function requestsOf(kind: ScheduledKind, { retention }: AgentSettings): readonly OperationRequest[] {
  switch (kind) {
    case 'backup':
      return [{ kind }]
    case 'verify':
      return [{ kind, level: 'content' }]
    case 'drill':
      return [{ kind, backup: 'latest' }]
    case 'copy':
      return [{ kind, all: true }]
    case 'prune':
      return isEmptyPolicy(retention.policy) ? [{ kind }] : [{ kind: 'forget' }, { kind }]
  }
}

function parse(text: string, kind: ScheduledKind, timezone: string): Cron {
  try {
    const cron = new Cron(text, { timezone, paused: true })
    cron.nextRun()
    return cron
  } catch (error) {
    throw new PermafrostError('CONFIG_INVALID', `schedule.${kind}: ${text} is no cron expression in ${timezone}`, {
      hint: 'write 0 */6 * * *: minute, hour, day, month, day of the week',
      cause: error,
    })
  }
}
