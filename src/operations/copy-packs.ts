import pLimit from 'p-limit'
import { Corrupt } from '../core/corrupt.ts'
import { PermafrostError } from '../core/errors.ts'
import { layout, packIdOf } from '../core/layout.ts'
import { readReach } from '../repository/backups.ts'
import { forget, readForgotten } from '../repository/forgotten.ts'
import { handshake } from '../repository/handshake.ts'
import type { HandshakeOutcome } from '../repository/handshake.ts'
import { readCondemned } from '../repository/marks.ts'
import { reachable } from '../repository/reachable.ts'
import type { Objects } from '../repository/reachable.ts'
import { damaged } from '../repository/read-record.ts'
import { sha256 } from '../repository/seal.ts'
import { listPacks } from '../repository/list-packs.ts'
import type { CopyContext } from './copy.ts'
import { progressMeter } from './progress.ts'

/** A collector that is faster again and again is no race any more. */
const TRIES = 5

/**
 * Copy a backup to a repository with the same keys: what it reaches as it is, each pack compared with its name, and its record
 * last. The list key is enough; no name and no data is opened.
 *
 * @returns bytes that were stored
 * @throws DAMAGED when a pack is missing or is not what its name says; CONFLICT while a prune of the target is in the way
 */
export async function copyPacks(ctx: CopyContext, backup: string): Promise<number> {
  const { source, target, random, clock, signal, self } = ctx
  const key = layout.backups.key(backup)
  const record = await source.storage.get(key, { signal })
  const found = await readReach(source, backup)
  if (!record || !found) throw damaged(source.storage, key, new Corrupt('is missing'))
  const { blocks } = found
  const reach = await reachable(source).from(blocks)
  const sessions = await reachable(source).sessions(blocks)
  let stored = 0
  let created = false
  const outcome = await handshake(
    target,
    {
      prepare: async () => {
        await copyKeys(ctx, sessions)
        stored += await copyMissing(ctx, reach)
        return { blocks, backup, reach, isBackupThere: () => isWanted(ctx, backup) }
      },
      // A record of this name that is there is this one: another run was faster.
      commit: async () => {
        created = (await target.storage.put(key, record, { ifAbsent: true })) === 'created'
      },
      withdraw: async () => {
        const now = clock().toISOString()
        if (created)
          await forget(target, { backup, by: self.host, at: now, notBefore: now, reason: 'withdrawn' }, random)
      },
    },
    { session: Buffer.from(random(16)).toString('hex'), tries: TRIES, random, clock, signal },
  )
  if (outcome !== 'committed') throw notCopied(backup, outcome)
  return stored
}

/** A wrapped key tells nothing to whoever has not the private key, and every pack needs its own. */
async function copyKeys({ source, target, signal }: CopyContext, sessions: ReadonlySet<string>): Promise<void> {
  if (source.keys.suite === 'none') return
  const there = new Set<string>()
  for await (const { key } of target.storage.list(layout.keys.prefix)) there.add(key)
  const limit = pLimit(target.storage.traits.connections)
  const copyKey = async (key: string): Promise<void> => {
    const bytes = await source.storage.get(key, { signal })
    if (!bytes) throw damaged(source.storage, key, new Corrupt('is missing'))
    await target.storage.put(key, bytes, { ifAbsent: true, signal })
  }
  const missing = [...sessions].map(layout.keys.session).filter((key) => !there.has(key))
  await Promise.all(missing.map((key) => limit(() => copyKey(key))))
}

/** Packs that the target has not, or has in another length. */
async function copyMissing(ctx: CopyContext, reach: Objects): Promise<number> {
  const { source, target, signal, limits } = ctx
  const there = await listPacks(target)
  const sizes = await listPacks(source)
  const sizeOf = (key: string) => reach.get(key) ?? sizes.get(key)?.size ?? 0
  const missing = [...reach.keys()].filter((key) => there.get(key)?.size !== sizeOf(key))
  await refuseCondemned(ctx, missing)
  const largest = Math.max(1, ...missing.map(sizeOf))
  const atOnce = Math.max(1, Math.min(target.storage.traits.connections, Math.floor(limits.memory / largest)))
  const limit = pLimit(atOnce)
  const total = missing.reduce((sum, key) => sum + sizeOf(key), 0)
  const meter = progressMeter(ctx, { phase: 'store', total: { parts: missing.length, bytes: total } })
  const copyPack = async (key: string): Promise<void> => {
    signal.throwIfAborted()
    const id = packIdOf(key) ?? ''
    const bytes = await source.storage.get(key, { signal })
    if (!bytes) throw damaged(source.storage, key, new Corrupt('is missing'))
    if (sha256(bytes).toString('hex') !== id) throw damaged(source.storage, key, new Corrupt('is not what it was'))
    // One that was cut short is no pack of anybody: it is replaced by the whole.
    await target.storage.put(key, bytes, { ifAbsent: !there.has(key), signal })
    meter.done({ parts: 1, bytes: bytes.length, reused: 0, current: `pack ${id.slice(0, 12)}` })
  }
  await Promise.all(missing.map((key) => limit(() => copyPack(key))))
  return total
}

/** Names come back by a copy, and by nothing else: not while somebody may still delete them. */
async function refuseCondemned({ target }: CopyContext, keys: readonly string[]): Promise<void> {
  const condemned = new Set((await readCondemned(target)).flatMap(({ objects }) => objects))
  if (keys.some((key) => condemned.has(key))) throw inTheWay(target.storage.location)
}

async function isWanted({ target }: CopyContext, backup: string): Promise<boolean> {
  return !(await readForgotten(target)).has(backup)
}

function notCopied(backup: string, outcome: Exclude<HandshakeOutcome, 'committed'>): PermafrostError {
  if (outcome === 'gave-up') return inTheWay(`backup ${backup}`)
  return new PermafrostError(
    'CONFLICT',
    `the copy of backup ${backup} was taken for dead while it ran, and is withdrawn`,
    {
      hint: 'run it again: what was copied is not copied twice',
    },
  )
}

function inTheWay(what: string): PermafrostError {
  return new PermafrostError('CONFLICT', `a prune of the target is deleting what the copy needs: ${what}`, {
    hint: 'let permafrost prune of the target end, then copy again',
  })
}
