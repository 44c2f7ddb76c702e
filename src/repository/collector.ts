import { setTimeout as sleep } from 'node:timers/promises'
import { isClosable, nextCollect } from '../core/collect-steps.ts'
import type { CollectState } from '../core/collect-steps.ts'
import { PermafrostError } from '../core/errors.ts'
import { layout } from '../core/layout.ts'
import { SWEEP_WITHIN } from '../core/safety.ts'
import type { CollectionPlan } from './collection-plan.ts'
import { trimHistory } from './history.ts'
import { settleTime } from './learned.ts'
import { rememberBackups } from './known-backups.ts'
import { listPacks } from './list-packs.ts'
import { condemn, readCondemned, revoke } from './marks.ts'
import type { Random } from './marks.ts'
import { reachable } from './reachable.ts'
import { readFormatText } from './repository.ts'
import type { Repository } from './repository.ts'
import { isRunning, liveBackups, readAnnounced } from './take-stock.ts'

export interface CollectOptions {
  readonly random: Random
  readonly clock: () => Date
  readonly signal: AbortSignal
  /** Wait so many seconds; a timer, unless a test has a clock of its own. */
  readonly pause?: ((seconds: number) => Promise<void>) | undefined
}

/** What was deleted. */
export interface Collected {
  readonly packs: number
  readonly bytes: number
  /** Forgotten backups whose records went. */
  readonly backups: readonly string[]
  /** Objects that somebody came to need between the plan and the sweep. */
  readonly spared: number
}

/** Keys in a condemned record: it stays well below what a record may hold. */
const CONDEMNED_KEYS = 8000
const DELETED_AT_ONCE = 1000

/**
 * Carry out a plan: condemn in public, look once more, delete what is still unreached (core/collect-steps.ts). Killed
 * anywhere, it leaves an open condemned record at most: writers avoid those names, and the next run begins anew.
 */
export async function collect(
  repository: Repository,
  plan: CollectionPlan,
  { random, clock, signal, pause = timer(signal) }: CollectOptions,
): Promise<Collected> {
  const { storage } = repository
  const now = clock()
  const context = { reach: reachable(repository), now }
  const live = liveBackups(repository, context)
  const own: string[] = []
  const deleted: string[] = []
  let state: CollectState = plan.dead.size === 0 ? { at: 'end' } : { at: 'condemn', dead: [...plan.dead.keys()] }
  while (state.at !== 'end') {
    signal.throwIfAborted()
    let seen: ReadonlySet<string> = new Set()
    switch (state.at) {
      case 'condemn':
        for (const objects of chunks(state.dead, CONDEMNED_KEYS)) {
          const id = Buffer.from(random(16)).toString('hex')
          own.push(id)
          await condemn(repository, { id, at: now.toISOString(), objects }, random)
        }
        await settle(repository, pause)
        break
      case 'look-announced':
        seen = (await readAnnounced(repository, context)).keys
        break
      case 'look-backups':
        seen = (await live.look()).keys
        break
      case 'sweep': {
        await refuseOtherFormat(repository, plan.format)
        // Packs before records: what is half deleted is still explained by the backup that was forgotten.
        const records = state.dead.filter((key) => key.startsWith(layout.backups.prefix))
        const packs = state.dead.filter((key) => !key.startsWith(layout.backups.prefix))
        for (const keys of [...chunks(packs, DELETED_AT_ONCE), ...chunks(records, DELETED_AT_ONCE)]) {
          signal.throwIfAborted()
          refuseLate(clock, now)
          await storage.delete(keys)
          deleted.push(...keys)
        }
        break
      }
      case 'close':
        await storage.delete(own.map(layout.condemned.key))
        break
      case 'list-candidates':
      case 'list-announced':
      case 'list-backups':
        throw new Error('the plan has done that')
    }
    state = nextCollect(state, seen)
  }
  await tidy(repository, { plan, deleted: new Set(deleted) }, { random, clock })
  const packs = deleted.filter((key) => !key.startsWith(layout.backups.prefix))
  return {
    packs: packs.length,
    bytes: packs.reduce((sum, key) => sum + (plan.dead.get(key) ?? 0), 0),
    backups: deleted
      .filter((key) => key.startsWith(layout.backups.prefix))
      .map((key) => key.slice(layout.backups.prefix.length)),
    spared: plan.dead.size - deleted.length,
  }
}

async function settle(repository: Repository, pause: (seconds: number) => Promise<void>): Promise<void> {
  const seconds = await settleTime(repository)
  if (seconds > 0) await pause(seconds)
}

function timer(signal: AbortSignal): (seconds: number) => Promise<void> {
  return (seconds) => sleep(seconds * 1000, undefined, { signal })
}

/** What the dead left behind. None of it protects anything any more. */
async function tidy(
  repository: Repository,
  { plan, deleted }: { readonly plan: CollectionPlan; readonly deleted: ReadonlySet<string> },
  { random, clock }: Pick<CollectOptions, 'random' | 'clock'>,
): Promise<void> {
  const { storage } = repository
  const buried = [...plan.gone].filter(([id]) => deleted.has(layout.backups.key(id)))
  // What is known to be there is written down before the marks go that explain why the rest is not.
  await rememberBackups(
    repository,
    plan.ids.filter((id) => !buried.some(([gone]) => gone === id)),
    { random, clock },
  )
  await storage.delete([...buried.flatMap(([, marks]) => marks), ...plan.leftMarks])
  for (const name of plan.revoke) await revoke(repository, { name, at: clock().toISOString() }, random)
  await storage.delete([...[...plan.settled, ...plan.revoke].map(layout.pending.key), ...plan.expired])
  await closeForeign(repository, clock())
  await trimHistory(repository)
}

/**
 * Records of collectors that died after their sweep. A copy brings names back that were deleted, so a record is closed only
 * when its owner, should it be alive after all, would not delete by it any more.
 */
async function closeForeign(repository: Repository, now: Date): Promise<void> {
  const open = (await readCondemned(repository)).filter(({ at }) => !isRunning({ at: new Date(at) }, now))
  if (open.length === 0) return
  // Listed after they were read: a name that is not there now never comes back.
  const there = new Set((await listPacks(repository)).keys())
  for await (const { key } of repository.storage.list(layout.backups.prefix)) there.add(key)
  const closable = open.filter(({ objects }) => isClosable(objects, there))
  await repository.storage.delete(closable.map(({ id }) => layout.condemned.key(id)))
}

function refuseLate(clock: () => Date, condemned: Date): void {
  if (clock().getTime() - condemned.getTime() < SWEEP_WITHIN * 1000) return
  throw new PermafrostError('CONFLICT', 'this prune was held up for hours, and deletes no more', {
    hint: 'permafrost prune',
  })
}

async function refuseOtherFormat({ storage }: Repository, before: string): Promise<void> {
  if ((await readFormatText(storage)) === before) return
  throw new PermafrostError('CONFLICT', `format.json at ${storage.location} changed since the plan was made`, {
    hint: 'permafrost prune',
  })
}

function chunks(keys: readonly string[], size: number): readonly (readonly string[])[] {
  return Array.from({ length: Math.ceil(keys.length / size) }, (_, n) => keys.slice(n * size, (n + 1) * size))
}
