/** A backup, as far as retention is concerned. */
export interface Candidate {
  readonly id: string
  readonly started: Date
  readonly host: string
  /** Names the set of tables: backups of other tables do not replace one another. */
  readonly set: string
  readonly tags: readonly string[]
  readonly complete: boolean
  /** Whether it was read back to the last byte, and found right. */
  readonly proven: boolean
  /** A hold: until then it stays, whatever the policy says. */
  readonly heldUntil?: Date | undefined
}

/** The reason of pins that somebody put on purpose. */
export const HOLD = 'hold'

/** How many to keep of the newest hours, days, … that have a backup. */
export interface RetentionPolicy {
  readonly last?: number | undefined
  readonly hourly?: number | undefined
  readonly daily?: number | undefined
  readonly weekly?: number | undefined
  readonly monthly?: number | undefined
  readonly yearly?: number | undefined
  /** Seconds: everything younger stays. */
  readonly within?: number | undefined
  /** Backups with any of these tags stay. */
  readonly tags?: readonly string[] | undefined
}

export type Reason =
  | 'last'
  | 'hourly'
  | 'daily'
  | 'weekly'
  | 'monthly'
  | 'yearly'
  | 'within'
  | 'tag'
  | 'held'
  /** The newest of its group, or its newest complete one: a policy never leaves nothing. */
  | 'newest'
  /** The newest of its group that was read back to the last byte. */
  | 'newest proven'
  /** No rule asks for it. */
  | 'expired'
  /** Something is missing in it, and a newer one is complete. */
  | 'incomplete'

export interface Decision {
  readonly id: string
  readonly keep: boolean
  /** Never empty. */
  readonly reasons: readonly Reason[]
}

/** Does the policy ask for anything? One that does not would forget everything, and is refused. */
export function isEmptyPolicy({ tags = [], ...counts }: RetentionPolicy): boolean {
  return tags.length === 0 && Object.values(counts).every((count) => count === undefined || count === 0)
}

/**
 * Which backups stay, each with its reasons. Backups are judged per host and set of tables. Hours, days, ISO weeks, months and
 * years are those of UTC; of each, the newest complete backup counts, as long as there are any left to count. What is
 * incomplete fills no place: it stays when it is the newest, younger than `within`, tagged or held.
 *
 * @param candidates in any order
 */
export function decideRetention(
  candidates: readonly Candidate[],
  policy: RetentionPolicy,
  now: Date,
): readonly Decision[] {
  const groups = Map.groupBy(candidates, ({ host, set }) => JSON.stringify([host, set]))
  const decisions = [...groups.values()].flatMap((group) => decideGroup(group, policy, now))
  const byId = new Map(decisions.map((decision) => [decision.id, decision]))
  return candidates.map(({ id }) => byId.get(id) as Decision)
}

type Bucket = 'last' | 'hourly' | 'daily' | 'weekly' | 'monthly' | 'yearly'

const BUCKETS: readonly (readonly [Bucket, (candidate: Candidate) => string])[] = [
  ['last', ({ id }) => id],
  ['hourly', ({ started }) => started.toISOString().slice(0, 13)],
  ['daily', ({ started }) => started.toISOString().slice(0, 10)],
  ['weekly', ({ started }) => isoWeek(started)],
  ['monthly', ({ started }) => started.toISOString().slice(0, 7)],
  ['yearly', ({ started }) => started.toISOString().slice(0, 4)],
]

function decideGroup(group: readonly Candidate[], policy: RetentionPolicy, now: Date): readonly Decision[] {
  const newestFirst = [...group].sort(newerFirst)
  const complete = newestFirst.filter((candidate) => candidate.complete)
  const reasons = new Map<string, Reason[]>(newestFirst.map(({ id }) => [id, []]))
  const keep = (candidate: Candidate | undefined, reason: Reason) =>
    candidate && reasons.get(candidate.id)?.push(reason)
  for (const [bucket, nameOf] of BUCKETS) {
    const places = new Map<string, Candidate>()
    for (const candidate of complete) {
      if (places.size >= (policy[bucket] ?? 0)) break
      if (!places.has(nameOf(candidate))) places.set(nameOf(candidate), candidate)
    }
    for (const candidate of places.values()) keep(candidate, bucket)
  }
  for (const candidate of newestFirst) {
    const age = (now.getTime() - candidate.started.getTime()) / 1000
    if (policy.within !== undefined && age < policy.within) keep(candidate, 'within')
    if (policy.tags?.some((tag) => candidate.tags.includes(tag))) keep(candidate, 'tag')
    if (candidate.heldUntil && candidate.heldUntil > now) keep(candidate, 'held')
  }
  keep(newestFirst[0], 'newest')
  if (complete[0] !== newestFirst[0]) keep(complete[0], 'newest')
  keep(
    newestFirst.find((candidate) => candidate.proven),
    'newest proven',
  )
  return newestFirst.map(({ id, complete: isComplete }): Decision => {
    const why = reasons.get(id) ?? []
    if (why.length > 0) return { id, keep: true, reasons: why }
    return { id, keep: false, reasons: [isComplete ? 'expired' : 'incomplete'] }
  })
}

function newerFirst(a: Candidate, b: Candidate): number {
  return b.started.getTime() - a.started.getTime() || (a.id < b.id ? 1 : -1)
}

/** `2026-W48`: the week that holds the year's first Thursday is its first. ISO 8601. */
function isoWeek(date: Date): string {
  const DAY = 24 * 3600 * 1000
  const day = Math.floor(date.getTime() / DAY)
  // 1970-01-01 was a Thursday; a week belongs to the year of its Thursday.
  const thursday = day - ((((day + 3) % 7) + 7) % 7) + 3
  const year = new Date(thursday * DAY).getUTCFullYear()
  const first = Math.floor(Date.UTC(year, 0, 1) / DAY)
  return `${year}-W${String(Math.floor((thursday - first) / 7) + 1).padStart(2, '0')}`
}
