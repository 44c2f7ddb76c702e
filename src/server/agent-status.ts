import { isProven } from '../repository/attestations.ts'
import type { BackupIndex } from './backup-index.ts'
import type { ListedBackupAnswer } from './contract/backups.ts'
import type { Operation } from './contract/operations.ts'
import type { AnswerOf } from './contract/routes.ts'
import { hasEnded } from './jobs.ts'
import type { Jobs } from './jobs.ts'
import type { AgentPorts } from './ports.ts'
import type { Schedule } from './schedule.ts'

type Status = AnswerOf<'status'>
type Read = Extract<ListedBackupAnswer, { readonly outcome: 'read' }>

export interface StatusSources {
  readonly index: BackupIndex
  readonly jobs: Jobs
  readonly schedule: () => Schedule
  readonly ports: Pick<AgentPorts, 'clock' | 'version' | 'hostname'>
  readonly started: Date
}

const DAY = 24 * 3_600_000
const DAYS = 30

/** How it stands: what monitoring is told, and what a person sees first. */
export async function agentStatus({ index, jobs, schedule, ports, started }: StatusSources): Promise<Status> {
  const now = ports.clock()
  const backups = (await index.list()).filter((backup) => backup.outcome === 'read')
  const operations = jobs.list()
  const good = backups.findLast(({ status, damaged }) => status === 'complete' && !damaged)
  const unproven = backups.find((backup) => !isProven(backup))
  const drill = backups
    .flatMap((backup) => backup.drill ?? [])
    .toSorted(byTime)
    .at(-1)
  const newest = new Map(backups.map((backup) => [backup.host, backup]))
  return {
    at: now.toISOString(),
    version: ports.version,
    host: ports.hostname,
    started: started.toISOString(),
    ...(good && { lastGood: { id: good.id, finished: good.finished, seconds: secondsSince(good.finished, now) } }),
    overdue: schedule().isOverdue('backup', good && new Date(good.started)),
    backups: backups.length,
    logical: sum([...newest.values()], ({ logical }) => logical),
    stored: sum(backups, ({ stored }) => stored),
    proven: backups.filter(isProven).length,
    damaged: backups.filter(({ damaged }) => damaged).length,
    ...(unproven && { oldestUnproven: { id: unproven.id, started: unproven.started } }),
    ...(drill && {
      lastDrill: { backup: drill.backup, at: drill.at, seconds: drill.seconds, result: drill.result },
    }),
    days: days({ backups, operations, schedule: schedule(), now }),
    running: operations.filter(({ state }) => state === 'running'),
    queued: operations.filter(({ state }) => state === 'queued').length,
  }
}

interface Seen {
  readonly backups: readonly Read[]
  readonly operations: readonly Operation[]
  readonly schedule: Schedule
  readonly now: Date
}

function days(seen: Seen): Status['days'] {
  const today = Math.floor(seen.now.getTime() / DAY) * DAY
  return Array.from({ length: DAYS }, (_, index) => day(new Date(today - (DAYS - 1 - index) * DAY), seen))
}

function day(from: Date, { backups, operations, schedule, now }: Seen): Status['days'][number] {
  const name = from.toISOString().slice(0, 10)
  const made = backups.filter(({ started }) => started.startsWith(name))
  const failures = operations.filter(
    (one) => one.kind === 'backup' && one.queued.startsWith(name) && hasEnded(one) && !isGood(one),
  ).length
  const end = new Date(Math.min(from.getTime() + DAY, now.getTime() - 3_600_000))
  const oldest = backups[0]?.started ?? operations.at(-1)?.queued
  const isKnown = oldest !== undefined && oldest.slice(0, 10) < name
  const state = (): Status['days'][number]['state'] => {
    if (made.some(({ status }) => status === 'complete')) return 'ok'
    if (made.length > 0) return 'incomplete'
    if (failures > 0) return 'failed'
    return isKnown && schedule.wasDue('backup', from, end) ? 'overdue' : 'none due'
  }
  return { day: name, state: state(), backups: made.map(({ id }) => id), failures }
}

function isGood({ state }: Operation): boolean {
  return state === 'ok' || state === 'incomplete' || state === 'cancelled'
}

function secondsSince(time: string, now: Date): number {
  return Math.max(0, (now.getTime() - Date.parse(time)) / 1000)
}

function byTime(a: { readonly at: string }, b: { readonly at: string }): number {
  return a.at < b.at ? -1 : 1
}

function sum<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((total, item) => total + of(item), 0)
}
