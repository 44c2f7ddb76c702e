import { toPermafrostError } from '../core/errors.ts'
import type { BackupSummary } from '../core/manifest.ts'
import { displayName } from '../core/sql.ts'
import { formatSeconds, plural } from '../core/units.ts'
import { isProven, readProofs } from '../repository/attestations.ts'
import type { Attestation, Proof } from '../repository/attestations.ts'
import { backupIds, listBackups, readContents } from '../repository/backups.ts'
import type { Repository } from '../repository/repository.ts'
import type { Context } from './context.ts'
import { readHolds } from './forget.ts'

export interface StatusOptions {
  /** Seconds: how old the last good backup of a table may be, and how long ago the last drill. */
  readonly maxAge: number
  readonly maxDrillAge: number
  /** Where copies should be. */
  readonly copies: readonly CopyPlace[]
}

export interface CopyPlace {
  readonly location: string
  readonly open: () => Promise<Repository>
}

/** Could I restore right now, how much would I lose, and how long would it take? */
export interface Status {
  readonly at: string
  readonly backups: number
  /** Those that were read back to the last byte. */
  readonly proven: number
  /** The newest that is complete, and in which no damage is known. */
  readonly lastGood?: StatusBackup
  /** The newest that is proven: retention never takes it. */
  readonly lastProven?: StatusBackup
  readonly tables: readonly TableStatus[]
  /** The oldest backup that holds bytes which nobody has read back. */
  readonly oldestUnproven?: StatusBackup
  readonly lastDrill?: DrillStatus
  /** Seconds that restoring the last good backup would take, by the last drill that restored anything. */
  readonly restoreSeconds?: number
  readonly copies: readonly CopyStatus[]
  /** What is overdue, missing or wrong. */
  readonly problems: readonly string[]
}

export interface StatusBackup {
  readonly id: string
  readonly started: string
  /** Its age. */
  readonly seconds: number
  readonly heldUntil?: string
}

export interface TableStatus {
  readonly host: string
  readonly table: string
  readonly backup: string
  readonly frozenAt: string
  /** What would be lost now. */
  readonly seconds: number
  readonly overdue: boolean
  /** When it was last restored by a drill, and whether that went well. */
  readonly drilledAt?: string
  readonly drillPassed?: boolean
}

export interface DrillStatus {
  readonly backup: string
  readonly at: string
  readonly result: Attestation['result']
  readonly seconds: number
  readonly whole: boolean
}

export interface CopyStatus {
  readonly location: string
  readonly backups?: number
  /** Whether it has the last good backup. */
  readonly upToDate: boolean
  readonly problem?: string
}

type StatusContext = Pick<Context, 'repository' | 'clock'>

/** How a repository stands; nothing but its records is read. */
export async function status({ repository, clock }: StatusContext, options: StatusOptions): Promise<Status> {
  const now = clock()
  const [listed, proofs, holds] = await Promise.all([
    listBackups(repository),
    readProofs(repository),
    readHolds(repository, now),
  ])
  const proofOf = ({ id }: BackupSummary): Proof => proofs.get(id) ?? {}
  const backups = listed.flatMap((one) => (one.outcome === 'read' ? [one.summary] : []))
  const good = backups.filter((one) => one.status === 'complete' && !proofOf(one).damaged)
  const proven = backups.filter((one) => isProven(proofOf(one)))
  const drills = backups.flatMap((one) => proofOf(one).drill ?? []).toSorted((a, b) => (a.at < b.at ? -1 : 1))
  const shown = (one: BackupSummary): StatusBackup => {
    const held = holds.get(one.id)?.toISOString()
    return { id: one.id, started: one.started, seconds: age(one.started, now), ...(held && { heldUntil: held }) }
  }
  const [lastGood, lastProven, drill] = [good.at(-1), proven.at(-1), drills.at(-1)]
  const unproven = backups.find((one) => !isProven(proofOf(one)))
  const speed = drills.findLast((one) => one.drill && one.bytes > 0)
  const known = {
    at: now.toISOString(),
    backups: backups.length,
    proven: proven.length,
    ...(lastGood && { lastGood: shown(lastGood) }),
    ...(lastProven && { lastProven: shown(lastProven) }),
    tables: await tablesOf(repository, good, { now, drills, maxAge: options.maxAge }),
    ...(unproven && { oldestUnproven: shown(unproven) }),
    ...(drill && { lastDrill: drillStatus(drill) }),
    ...(lastGood && speed?.drill && { restoreSeconds: (speed.drill.restoreSeconds * lastGood.logical) / speed.bytes }),
    copies: await Promise.all(options.copies.map((place) => copyStatus(place, lastGood))),
  }
  const damaged = [
    ...listed.flatMap((one) => (one.outcome === 'damaged' ? [one.id] : [])),
    ...backups.filter((one) => proofOf(one).damaged).map(({ id }) => id),
  ]
  return { ...known, problems: problemsOf(known, { now, damaged, options }) }
}

interface Seen {
  readonly now: Date
  readonly drills: readonly Attestation[]
  readonly maxAge: number
}

/** Of each host and each selection, the newest good backup says when each table was last kept. */
async function tablesOf(
  repository: Repository,
  good: readonly BackupSummary[],
  { now, drills, maxAge }: Seen,
): Promise<readonly TableStatus[]> {
  const newest = new Map(good.map((one) => [JSON.stringify([one.host, [...one.selection].sort()]), one]))
  const found = new Map<string, TableStatus>()
  for (const { id, host } of newest.values()) {
    const { tables } = await readContents(repository, id)
    for (const entry of tables) {
      const key = JSON.stringify([host, entry.database, entry.name])
      if ((found.get(key)?.frozenAt ?? '') >= entry.frozenAt) continue
      const table = displayName(entry)
      const seconds = age(entry.frozenAt, now)
      const own = { host, table, backup: id, frozenAt: entry.frozenAt, seconds, overdue: seconds > maxAge }
      found.set(key, { ...own, ...lastDrillOf(table, drills) })
    }
  }
  return [...found.values()].toSorted((a, b) => b.seconds - a.seconds)
}

function lastDrillOf(table: string, drills: readonly Attestation[]): Pick<TableStatus, 'drilledAt' | 'drillPassed'> {
  for (const { at, drill } of drills.toReversed()) {
    const one = drill?.tables.find((drilled) => drilled.table === table)
    if (one) return { drilledAt: at, drillPassed: one.problems.length === 0 }
  }
  return {}
}

function drillStatus({ backup, at, result, seconds, whole }: Attestation): DrillStatus {
  return { backup, at, result, seconds, whole }
}

/** A copy that cannot be looked at is no copy. */
async function copyStatus({ location, open }: CopyPlace, lastGood: BackupSummary | undefined): Promise<CopyStatus> {
  try {
    const ids = await backupIds(await open())
    return { location, backups: ids.length, upToDate: lastGood !== undefined && ids.includes(lastGood.id) }
  } catch (error) {
    return { location, upToDate: false, problem: toPermafrostError(error).message }
  }
}

interface Judging {
  readonly now: Date
  readonly damaged: readonly string[]
  readonly options: StatusOptions
}

function problemsOf(
  { lastGood, tables, lastDrill, copies }: Omit<Status, 'problems'>,
  { now, damaged, options }: Judging,
): readonly string[] {
  const problems: string[] = []
  if (!lastGood) problems.push('there is no good backup: nothing could be restored')
  else if (lastGood.seconds > options.maxAge)
    problems.push(`the last good backup is ${formatSeconds(lastGood.seconds)} old (${lastGood.id})`)
  const overdue = tables.filter((table) => table.overdue)
  const names = overdue.slice(0, 5).map(({ table, host }) => `${table} of ${host}`)
  if (overdue.length > 0)
    problems.push(
      `${plural(overdue.length, 'table')} had no good backup for more than ${formatSeconds(options.maxAge)}: ${names.join(', ')}${overdue.length > names.length ? ', …' : ''}`,
    )
  for (const id of damaged) problems.push(`backup ${id} is damaged`)
  // Silence proves nothing: no drill is a drill that failed.
  if (!lastDrill) problems.push('there was no drill yet')
  else if (age(lastDrill.at, now) > options.maxDrillAge)
    problems.push(`the last drill was ${formatSeconds(age(lastDrill.at, now))} ago`)
  if (lastDrill && lastDrill.result !== 'ok') problems.push(`the last drill, of ${lastDrill.backup}, did not pass`)
  for (const { location, problem, upToDate } of copies)
    if (!upToDate)
      problems.push(
        `${location} ${problem === undefined ? 'lacks the last good backup' : `does not answer: ${problem}`}`,
      )
  return problems
}

function age(time: string, now: Date): number {
  return Math.max(0, (now.getTime() - Date.parse(time)) / 1000)
}
