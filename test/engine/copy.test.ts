import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { layout } from '../../src/core/layout.ts'
import type { BackupSummary } from '../../src/core/manifest.ts'
import { prepareCopy } from '../../src/operations/copy.ts'
import type { CopyContext } from '../../src/operations/copy.ts'
import { preparePrune } from '../../src/operations/prune.ts'
import { backupIds, readSummary } from '../../src/repository/backups.ts'
import { forget } from '../../src/repository/forgotten.ts'
import { makeKeyFile } from '../../src/repository/keys.ts'
import { condemn, readPins } from '../../src/repository/marks.ts'
import { reachable } from '../../src/repository/reachable.ts'
import { initRepository, openRepository } from '../../src/repository/repository.ts'
import type { Repository } from '../../src/repository/repository.ts'
import { putSlot } from '../../src/repository/slots.ts'
import { liveBackups } from '../../src/repository/take-stock.ts'
import { memoryStorage } from '../../src/storage/memory.ts'
import type { Storage } from '../../src/storage/storage.ts'
import { plug } from '../helpers/plug.ts'
import { fingerprint, keysOf, workbench } from '../helpers/workbench.ts'
import type { TestContext, TestEngine, Workbench } from '../helpers/workbench.ts'

const random = (size: number) => randomBytes(size)
const secret = makeKeyFile(random)

let bench: Workbench
let engine: TestEngine
let source: Repository
let ctx: TestContext
const backups: BackupSummary[] = []
/** Of a small table alone. */
let tiny: BackupSummary

/** Three backups: the second has a new partition and a mutated one, the third is as the second. */
beforeAll(async () => {
  bench = await workbench()
  engine = await bench.engine('engine')
  await engine.run(
    'CREATE DATABASE c',
    'CREATE TABLE c.wide (p UInt8, k UInt64, v String, s String) ENGINE = MergeTree PARTITION BY p ORDER BY k SETTINGS min_bytes_for_wide_part = 0',
    'INSERT INTO c.wide SELECT number % 3, number, randomString(80), randomString(20) FROM numbers(60000)',
    'CREATE TABLE c.small (k UInt64, PROJECTION p (SELECT k ORDER BY -k)) ENGINE = MergeTree ORDER BY k',
    'INSERT INTO c.small SELECT number FROM numbers(100)',
  )
  source = await initRepository(memoryStorage(), {
    suite: 'aes-256-gcm',
    secret,
    packTarget: 1 << 20,
    at: new Date(),
    random,
  })
  ctx = bench.context(engine, source)
  const backup = async () => backups.push((await ctx.backup({ tables: ['c.*'] })).summary)
  await backup()
  await engine.run(
    'INSERT INTO c.wide SELECT 9, number, randomString(80), randomString(20) FROM numbers(20000)',
    "ALTER TABLE c.wide UPDATE s = 'x' WHERE p = 1 SETTINGS mutations_sync = 2",
  )
  await backup()
  await backup()
  tiny = (await ctx.backup({ tables: ['c.small'] })).summary
})
afterAll(() => bench[Symbol.asyncDispose]())

let copies = 0
beforeEach(() => void copies++)

/** A repository with the keys of the source, or with keys of its own. */
const make = (kind: 'packs' | 'parts', storage: Storage = memoryStorage()): Promise<Repository> =>
  initRepository(storage, {
    suite: 'aes-256-gcm',
    secret,
    packTarget: 1 << 20,
    at: new Date(),
    random,
    ...(kind === 'packs' && { keys: source.keys }),
  })

const between = (target: Repository, more: Partial<CopyContext> = {}): CopyContext => ({
  ...ctx,
  source,
  target,
  ...more,
})
const copy = async (context: CopyContext, ids: readonly string[] = backups.map(({ id }) => id)) => {
  const prepared = await prepareCopy(context, ids)
  return { plan: prepared.plan, ...(await prepared.run()) }
}

/** All of it is there, opens, and holds what the source has. */
async function expectWhole(target: Repository, ids: readonly string[]): Promise<void> {
  expect(await backupIds(target)).toEqual(ids.toSorted())
  const looking = bench.context(engine, target)
  expect((await looking.verify(ids, 'content')).findings).toEqual([])
}

/** When all who died count as dead, prunes leave exactly what backups reach. */
async function expectNoLeak(target: Repository): Promise<void> {
  const later = bench.context(engine, target, { clock: () => new Date(Date.now() + 3 * 24 * 3600 * 1000) })
  for (let n = 0; n < 2; n++) await (await preparePrune(later, { minAge: 0 })).run()
  const live = await liveBackups(target, { reach: reachable(target), now: later.clock() }).look()
  const prefixes = [layout.packs.prefix, layout.meta.prefix, layout.backups.prefix]
  const there = (await Promise.all(prefixes.map((prefix) => keysOf(target.storage, prefix)))).flat()
  expect(there.toSorted()).toEqual([...live.keys].toSorted())
  for (const prefix of [layout.pending.prefix, layout.condemned.prefix])
    expect(await keysOf(target.storage, prefix)).toEqual([])
}

describe.each(['packs', 'parts'] as const)('a copy of %s', (kind) => {
  it('is the same backups under the same ids, each complete, and leaves nothing behind', async () => {
    const target = await make(kind)
    const { plan, copied } = await copy(between(target))
    expect(plan).toMatchObject({ mode: kind, there: [], forgotten: [] })
    expect(plan.bytes).toBeGreaterThan(0)
    expect(copied).toEqual(backups.map(({ id }) => id).toSorted())
    await expectWhole(target, copied)
    const before = await keysOf(target.storage, 'packs/')
    await expectNoLeak(target)
    expect(await keysOf(target.storage, 'packs/')).toEqual(before)
    expect(await readPins(source)).toEqual([])
    for (const { id, logical, rows, started } of backups)
      expect(await readSummary(target, id)).toMatchObject({ id, logical, rows, started })
  })

  it('is restored like any other backup', async () => {
    const target = await make(kind)
    const { id } = backups[1] as BackupSummary
    await copy(between(target), [id])
    const as = `again_${copies}`
    await bench.context(engine, target).restore(await readSummary(target, id), { mode: 'all', as: { database: as } })
    for (const name of ['wide', 'small'])
      expect(await fingerprint(engine, { database: as, name })).toEqual(
        await fingerprint(engine, { database: 'c', name }),
      )
  })

  it('copies nothing twice: a backup that is there, nor what an earlier one brought', async () => {
    const target = await make(kind)
    const [first, second, third] = backups.map(({ id }) => id) as [string, string, string]
    const one = await copy(between(target), [first])
    const two = await copy(between(target), [first, second])
    expect(two.plan).toMatchObject({ backups: [second], there: [first] })
    expect(two.stored).toBeLessThan(one.stored)
    const three = await copy(between(target), [third])
    expect(three.stored).toBeLessThan(20_000)
    expect((await copy(between(target))).copied).toEqual([])
  })

  it('that is killed at any request is nowhere to be seen, and the next run finishes it', async () => {
    const { id } = tiny
    let points = 0
    for (let point = 0; ; point++) {
      const objects = new Map<string, Uint8Array<ArrayBuffer>>()
      const target = await make(kind, memoryStorage(objects))
      const pulled = plug(point, point % 2 === 0 ? 'before' : 'after')
      const dying = { ...target, storage: pulled.storage(target.storage) }
      const limits = { workers: 0, memory: 64 << 20 }
      await copy(between(dying, { limits }), [id]).catch((error: unknown) => {
        if (!pulled.pulled) throw error
      })
      const seen = await backupIds(target)
      if (seen.length > 0) await expectWhole(target, [id])
      if (!pulled.pulled) break
      points++
      await copy(between(target, { limits }), [id])
      await expectWhole(target, [id])
      await expectNoLeak(target)
    }
    expect(points).toBeGreaterThan(8)
  }, 300_000)

  it('of a damaged backup is refused, and names what is wrong', async () => {
    const target = await make(kind)
    const [{ id }] = backups as [BackupSummary]
    const key = (await keysOf(source.storage, layout.packs.prefix))[0] ?? ''
    const bytes = (await source.storage.get(key)) as Uint8Array<ArrayBuffer>
    const flipped = bytes.slice()
    flipped[200] = (flipped[200] ?? 0) ^ 1
    await source.storage.put(key, flipped)
    // Whichever backup needs the pack is refused; the others are copied.
    const results = await Promise.allSettled(backups.map((one) => copy(between(target), [one.id])))
    await source.storage.put(key, bytes)
    const failed = results.filter((result) => result.status === 'rejected')
    expect(failed.length).toBeGreaterThan(0)
    for (const { reason } of failed) expect(reason).toMatchObject({ code: 'DAMAGED' })
    expect(await backupIds(target)).toHaveLength(backups.length - failed.length)
    await copy(between(target), [id])
    expect(await backupIds(target)).toContain(id)
  })

  it('leaves out what somebody forgot in the target, and says so', async () => {
    const target = await make(kind)
    const [{ id }] = backups as [BackupSummary]
    await copy(between(target), [id])
    const at = new Date().toISOString()
    await forget(target, { backup: id, by: 'test', at, reason: 'test', notBefore: at }, random)
    expect((await copy(between(target), [id])).plan).toMatchObject({ backups: [], forgotten: [id] })
  })
})

it('a copy to the repository itself is refused', async () => {
  await expect(prepareCopy(between(source), [])).rejects.toMatchObject({ code: 'CONFLICT' })
})

it('packs are copied with the key of a collector, which knows no name and reads no data', async () => {
  const target = await make('packs')
  const [collector, agent] = ['collector', 'agent'].map(() => makeKeyFile(random)) as [string, string]
  await putSlot(
    source.storage,
    { keys: source.keys, owner: { secret: collector, role: 'collector', label: '', created: new Date() } },
    random,
  )
  await putSlot(
    source.storage,
    { keys: source.keys, owner: { secret: agent, role: 'agent', label: '', created: new Date() } },
    random,
  )
  const limited = await openRepository(source.storage, { secret: collector, purpose: 'read' })
  const [{ id }] = backups as [BackupSummary]
  await copy({ ...between({ ...target, keys: limited.keys }), source: limited }, [id])
  await expectWhole(target, [id])
  // Parts need the data.
  const sealed = await openRepository(source.storage, { secret: agent, purpose: 'read' })
  const other = await make('parts')
  await expect(copy({ ...between(other), source: sealed }, [id])).rejects.toMatchObject({ code: 'KEY_WRONG' })
  expect(await backupIds(other)).toEqual([])
})

it('packs that a prune of the target has condemned are not brought back while it may still delete', async () => {
  const target = await make('packs')
  const [{ id }] = backups as [BackupSummary]
  const objects = await keysOf(source.storage, layout.packs.prefix)
  await condemn(target, { id: '0'.repeat(32), at: new Date().toISOString(), objects }, random)
  await expect(copy(between(target), [id])).rejects.toMatchObject({ code: 'CONFLICT' })
  expect(await keysOf(target.storage, layout.packs.prefix)).toEqual([])
  expect(await backupIds(target)).toEqual([])
})

it('a pack that was cut short in the target is made whole by the next copy', async () => {
  const target = await make('packs')
  const [first, second] = backups.map(({ id }) => id) as [string, string]
  await copy(between(target), [first])
  for (const key of await keysOf(target.storage, layout.packs.prefix))
    await target.storage.put(key, ((await target.storage.get(key)) as Uint8Array).subarray(0, 100))
  await copy(between(target), [second])
  const looking = bench.context(engine, target)
  expect((await looking.verify([second], 'content')).findings).toEqual([])
})
