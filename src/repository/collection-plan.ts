import { beginCollect, nextCollect } from '../core/collect-steps.ts'
import type { CollectState } from '../core/collect-steps.ts'
import { hasCode, PermafrostError } from '../core/errors.ts'
import { layout } from '../core/layout.ts'
import { MOST_UNEXPLAINED } from '../core/safety.ts'
import { formatBytes, plural } from '../core/units.ts'
import type { ObjectInfo } from '../storage/storage.ts'
import { readReach } from './backups.ts'
import { readKnownBackups } from './known-backups.ts'
import { reachable } from './reachable.ts'
import type { Reachable } from './reachable.ts'
import { readFormatText } from './repository.ts'
import type { Repository } from './repository.ts'
import { listPacks } from './list-packs.ts'
import { revokedNames } from './marks.ts'
import { isRunning, liveBackups, readAnnounced } from './take-stock.ts'
import type { Announced, LiveBackups } from './take-stock.ts'

/** What a collector would delete. */
export interface CollectionPlan {
  /** Keys of packs and of records of forgotten backups, with their bytes. */
  readonly dead: ReadonlyMap<string, number>
  readonly deadBytes: number
  /** Bytes of all packs. */
  readonly totalBytes: number
  readonly packs: number
  /** Every backup whose record is there. */
  readonly ids: readonly string[]
  /** Forgotten for good: their records go, too. */
  readonly gone: LiveBackups['gone']
  readonly leftMarks: readonly string[]
  /** Announcements of writers that have not been heard of, to be revoked; and such as are settled. */
  readonly revoke: readonly string[]
  readonly settled: readonly string[]
  /** Keys of pins that are over and of journals that nobody needs. */
  readonly expired: readonly string[]
  /** `format.json`, which must not change before the sweep. */
  readonly format: string
}

export interface CollectionPlanOptions {
  readonly now: Date
  /** Seconds that a pack must be old. */
  readonly minAge: number
  /** Somebody looked, and says that it is all right: no memory, no limit. */
  readonly confirmed: boolean
  /** Bytes that may die without an explanation. */
  readonly few: number
}

/**
 * Find what nothing reaches. Nothing is changed.
 *
 * @throws DAMAGED when anything on the way does not read; CONFLICT when more would die than can be explained, when there is no
 *   backup at all, or when one has vanished that nobody forgot
 */
export async function planCollection(
  repository: Repository,
  { now, minAge, confirmed, few }: CollectionPlanOptions,
): Promise<CollectionPlan> {
  const format = await readFormatText(repository.storage)
  const context = { reach: reachable(repository), now }
  const backups = liveBackups(repository, context)
  let packs: ReadonlyMap<string, ObjectInfo> = new Map()
  let announced: Announced | undefined
  let live: LiveBackups | undefined
  let state: CollectState = beginCollect
  while (state.at !== 'condemn' && state.at !== 'end') {
    let seen: ReadonlySet<string> = new Set()
    switch (state.at) {
      case 'list-candidates':
        packs = await listPacks(repository)
        // Records of forgotten backups are candidates, too; the look at backups decides about them, as about packs.
        seen = new Set([
          ...oldEnough(packs, { now, minAge }),
          ...[...(await backups.look()).gone.keys()].map(layout.backups.key),
        ])
        break
      case 'list-announced':
        seen = (announced = await readAnnounced(repository, context)).keys
        break
      case 'list-backups':
        seen = (live = await backups.look()).keys
        break
      default:
        throw new Error('the plan ends before that')
    }
    state = nextCollect(state, seen)
  }
  announced ??= await readAnnounced(repository, context)
  live ??= await backups.look()
  const keys = state.at === 'condemn' ? state.dead : []
  const dead = new Map(keys.map((key) => [key, packs.get(key)?.size ?? 0]))
  const plan: CollectionPlan = {
    dead,
    deadBytes: sum(dead.values()),
    totalBytes: sum([...packs.values()].map(({ size }) => size)),
    packs: packs.size,
    ids: live.ids,
    gone: live.gone,
    leftMarks: live.leftMarks,
    ...(await janitorial(repository, { announced, live, dead, packs, now, backups })),
    format,
  }
  if (!confirmed) await refuse(repository, plan, { announced, live, context, few })
  return plan
}

function oldEnough(
  packs: ReadonlyMap<string, ObjectInfo>,
  { now, minAge }: Pick<CollectionPlanOptions, 'now' | 'minAge'>,
): readonly string[] {
  const isOld = ({ modified }: ObjectInfo) => !modified || now.getTime() - modified.getTime() >= minAge * 1000
  return [...packs.values()].filter(isOld).map(({ key }) => key)
}

interface Seen {
  readonly announced: Announced
  readonly live: LiveBackups
}

/** What killed writers, restores and collectors left: none of it may protect, or be explained by, anything for ever. */
async function janitorial(
  repository: Repository,
  {
    announced,
    live,
    dead,
    packs,
    now,
    backups,
  }: Seen & {
    readonly dead: ReadonlyMap<string, number>
    readonly packs: ReadonlyMap<string, ObjectInfo>
    readonly now: Date
    readonly backups: ReturnType<typeof liveBackups>
  },
): Promise<Pick<CollectionPlan, 'revoke' | 'settled' | 'expired'>> {
  const heard = new Map(announced.sessions.map(({ session, at }) => [session, at]))
  const stale = announced.announcements.filter(({ name, at }) => {
    const session = heard.get(name.split('.')[0] ?? '')
    return !isRunning({ at: new Date(at) }, now) && (!session || !isRunning({ at: session }, now))
  })
  const revoked = await revokedNames(repository)
  const committed = new Set<string>()
  if (stale.length > 0) for (const id of live.ids) committed.add((await backups.reachOf(id))?.announcement ?? '')
  const isSettled = ({ name }: { readonly name: string }) => committed.has(name) || revoked.has(name)
  const done = announced.sessions.filter(
    (session) =>
      !isRunning(session, now) &&
      session.packs.every((key) => dead.has(key) || live.keys.has(key) || announced.keys.has(key) || !packs.has(key)),
  )
  const over = announced.pins.filter(({ until }) => Date.parse(until) <= now.getTime())
  return {
    revoke: stale.filter((one) => !isSettled(one)).map(({ name }) => name),
    settled: stale.filter(isSettled).map(({ name }) => name),
    expired: [...over.map(({ id }) => layout.pins.key(id)), ...done.flatMap(({ keys }) => keys)],
  }
}

/** Fail closed: a listing that lies and a repository that lost its backups look like a lot to collect. */
async function refuse(
  repository: Repository,
  plan: CollectionPlan,
  { announced, live, context, few }: Seen & { readonly context: { readonly reach: Reachable }; readonly few: number },
): Promise<void> {
  const refused = (message: string) =>
    new PermafrostError('CONFLICT', message, {
      hint: [
        'permafrost verify --all --level inventory',
        `if it is all right:  permafrost prune --confirm ${repository.format.id}`,
      ],
    })
  if (live.ids.length === 0 && plan.dead.size > 0)
    throw refused(`the repository holds ${plural(plan.packs, 'pack')} and no backup at all`)
  const there = new Set(live.ids)
  const vanished = (await readKnownBackups(repository)).filter((id) => !there.has(id) && !live.forgotten.has(id))
  if (vanished.length > 0)
    throw refused(`${plural(vanished.length, 'backup')} vanished that nobody forgot, ${vanished[0]} among them`)
  const explained = new Set(announced.sessions.flatMap(({ packs }) => packs))
  for (const id of live.gone.keys()) for (const key of await reachIfThere(repository, id, context)) explained.add(key)
  const unexplained = [...plan.dead].filter(([key]) => !explained.has(key))
  const bytes = sum(unexplained.map(([, size]) => size))
  if (bytes > Math.max(plan.totalBytes * MOST_UNEXPLAINED, few))
    throw refused(
      `${formatBytes(bytes)} of ${formatBytes(plan.totalBytes)} would die, and neither a forgotten backup nor a killed run explains it`,
    )
}

/** What a forgotten backup reaches; nothing when an earlier sweep took some of it: then it explains nothing. */
async function reachIfThere(
  repository: Repository,
  id: string,
  { reach }: { readonly reach: Reachable },
): Promise<readonly string[]> {
  try {
    const found = await readReach(repository, id)
    return [layout.backups.key(id), ...(await reach.from(found?.blocks ?? [])).keys()]
  } catch (error) {
    if (hasCode(error, 'DAMAGED')) return [layout.backups.key(id)]
    throw error
  }
}

function sum(numbers: Iterable<number>): number {
  let total = 0
  for (const number of numbers) total += number
  return total
}
