import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { randomBytes } from 'node:crypto'
import { layout } from '../../src/core/layout.ts'
import { prepareRestore } from '../../src/operations/restore.ts'
import { preparePrune } from '../../src/operations/prune.ts'
import type { PruneOptions } from '../../src/operations/prune.ts'
import { pin } from '../../src/operations/pin.ts'
import { takeBack } from '../../src/operations/take-back.ts'
import { readReach } from '../../src/repository/backups.ts'
import { forget } from '../../src/repository/forgotten.ts'
import { announce, condemn, readCondemned, readPins } from '../../src/repository/marks.ts'
import { reachable } from '../../src/repository/reachable.ts'
import type { Repository } from '../../src/repository/repository.ts'
import { parseSelector } from '../../src/core/selector.ts'
import { fingerprint, keysOf, workbench } from '../helpers/workbench.ts'
import type { TestContext, TestEngine, Workbench } from '../helpers/workbench.ts'

let bench: Workbench
let engine: TestEngine
let repository: Repository
let ctx: TestContext

beforeAll(async () => {
  bench = await workbench()
  engine = await bench.engine('source')
})
afterAll(() => bench[Symbol.asyncDispose]())
let count = 0
beforeEach(async () => {
  repository = await bench.repository(`repository-${count++}`)
  ctx = bench.context(engine, repository)
  await engine.run(
    'CREATE DATABASE p',
    'CREATE TABLE p.t (k UInt64, v String) ENGINE = MergeTree PARTITION BY k % 4 ORDER BY k',
    'INSERT INTO p.t SELECT number, randomString(100) FROM numbers(4000)',
  )
})
afterEach(() => engine.run('DROP DATABASE IF EXISTS p SYNC'))

const DAY = 24 * 3600 * 1000
const later = (days: number, from: TestContext = ctx): TestContext => ({
  ...from,
  clock: () => new Date(Date.now() + days * DAY),
})
const backup = async (context = ctx): Promise<string> => (await context.backup({ tables: ['p.*'] })).summary.id

/** Forgotten without grace, so that a prune in the same second may have it. */
const forgetNow = async (id: string) => {
  const at = new Date(0).toISOString()
  await forget(repository, { backup: id, by: 'test', at, reason: 'test', notBefore: at }, (size) => randomBytes(size))
}
const prune = async (options: PruneOptions = {}, context: TestContext = ctx) => {
  const prepared = await preparePrune(context, { minAge: 0, ...options })
  return prepared.run()
}
const packs = () => keysOf(repository.storage, layout.packs.prefix)

describe('a prune', () => {
  it('deletes what a forgotten backup alone reached, and nothing that another one reaches', async () => {
    const first = await backup()
    await engine.run('TRUNCATE TABLE p.t', "INSERT INTO p.t SELECT number, 'new' FROM numbers(1000)")
    const { summary } = await ctx.backup({ tables: ['p.*'] })
    const before = await packs()
    await forgetNow(first)
    const collected = await prune()
    expect(collected.backups).toEqual([first])
    expect(collected.packs).toBeGreaterThan(0)
    expect((await packs()).length).toBeLessThan(before.length)
    expect((await ctx.verify([summary.id], 'content')).findings).toEqual([])
    const target = await bench.engine('target')
    await bench.context(target, repository).restore(summary)
    const table = { database: 'p', name: 't' }
    expect(await fingerprint(target, table)).toEqual(await fingerprint(engine, table))
    expect(await keysOf(repository.storage, layout.forgotten.prefix)).toEqual([])
    expect(await keysOf(repository.storage, layout.condemned.prefix)).toEqual([])
    expect((await prune()).packs).toBe(0)
  })

  it('leaves a backup in its grace, and one that was taken back, as they were', async () => {
    const first = await backup()
    await engine.run("ALTER TABLE p.t DROP PARTITION '1'")
    await backup()
    const now = new Date().toISOString()
    const notBefore = new Date(Date.now() + 7 * DAY).toISOString()
    await forget(repository, { backup: first, by: 'test', at: now, reason: 'test', notBefore }, (size) =>
      randomBytes(size),
    )
    expect((await prune()).backups).toEqual([])
    await takeBack(ctx, first)
    expect((await prune({}, later(8))).backups).toEqual([])
    expect((await ctx.verify([first], 'content')).findings).toEqual([])
    await forgetNow(first)
    expect((await prune()).backups).toEqual([first])
    await expect(takeBack(ctx, first)).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })

  it('spares what is pinned, until the pin is over', async () => {
    const first = await backup()
    await engine.run("ALTER TABLE p.t DROP PARTITION '1'")
    await backup()
    await pin(ctx, { backup: first, reason: 'legal hold', until: new Date(Date.now() + 30 * DAY) })
    await forgetNow(first)
    expect(await prune()).toMatchObject({ packs: 0, backups: [] })
    expect((await ctx.verify([first], 'content')).findings).toEqual([])
    expect((await prune({}, later(31))).backups).toEqual([first])
    expect(await readPins(repository)).toEqual([])
  })

  it('spares young packs, and those of a killed run until it counts as dead', async () => {
    await backup()
    await engine.run("INSERT INTO p.t SELECT number, 'more' FROM numbers(4000)")
    const known = await packs()
    const storage = {
      ...repository.storage,
      put: async (...args: Parameters<typeof repository.storage.put>) =>
        args[0].startsWith(layout.backups.prefix)
          ? Promise.reject(new Error('killed'))
          : repository.storage.put(...args),
    }
    await expect(backup(bench.context(engine, { ...repository, storage }))).rejects.toThrow('killed')
    const orphans = (await packs()).filter((key) => !known.includes(key))
    expect(orphans.length).toBeGreaterThan(0)
    expect((await prune({ minAge: 24 * 3600 })).packs).toBe(0)
    expect((await prune()).packs).toBe(0)
    // A day without a sign of life: its announcement is revoked first, and protects nothing the time after.
    await prune({}, later(2))
    const collected = await prune({}, later(2))
    expect(collected.packs).toBeGreaterThanOrEqual(orphans.length)
    expect(await packs()).toEqual(known)
    expect(await keysOf(repository.storage, layout.pending.prefix)).toEqual([])
    expect((await keysOf(repository.storage, layout.sessions.prefix)).filter((key) => /\d$/.test(key))).toEqual([])
  })
})

describe('a prune deletes nothing', () => {
  it('when it sees no backup at all', async () => {
    const id = await backup()
    await repository.storage.delete([layout.backups.key(id)])
    await expect(prune()).rejects.toMatchObject({
      code: 'CONFLICT',
      message: expect.stringMatching(/no backup at all/),
    })
    expect((await prune({ confirmed: true })).packs).toBeGreaterThan(0)
  })

  it('when a backup that was there has vanished', async () => {
    const first = await backup()
    await backup()
    await prune()
    await repository.storage.delete([layout.backups.key(first)])
    await expect(prune()).rejects.toMatchObject({ code: 'CONFLICT', message: expect.stringContaining(first) })
  })

  it('when more would die than can be explained', async () => {
    const first = await backup()
    await engine.run('ALTER TABLE p.t DELETE WHERE k % 4 != 1 SETTINGS mutations_sync = 2')
    await backup()
    await repository.storage.delete([layout.backups.key(first)])
    await expect(prune({ few: 0 })).rejects.toMatchObject({
      code: 'CONFLICT',
      message: expect.stringMatching(/would die/),
    })
  })

  it.each([
    ['a record of a backup', layout.backups.prefix],
    ['a mark', layout.forgotten.prefix],
    ['a block', layout.meta.prefix],
  ])('when %s does not read', async (_what, prefix) => {
    const first = await backup()
    await engine.run("INSERT INTO p.t SELECT number, 'new' FROM numbers(1000)")
    const second = await backup()
    await forgetNow(first)
    // Nobody needs to read the record, or a block, of a backup that is forgotten for good.
    const needed = await reachable(repository).from((await readReach(repository, second))?.blocks ?? [])
    const isNeeded = (one: string) =>
      one !== layout.backups.key(first) && (needed.has(one) || !one.startsWith(layout.meta.prefix))
    const key = (await keysOf(repository.storage, prefix)).find(isNeeded) ?? ''
    const bytes = (await repository.storage.get(key)) ?? new Uint8Array()
    bytes.fill(0, 100, bytes.length - 100)
    await repository.storage.put(key, bytes)
    const before = await keysOf(repository.storage)
    await expect(prune()).rejects.toMatchObject({ code: 'DAMAGED' })
    expect(await keysOf(repository.storage)).toEqual(before)
  })
})

describe('a backup that meets a collector', () => {
  it('does not point to what is condemned, and stores it again', async () => {
    await backup()
    const old = await packs()
    const at = new Date().toISOString()
    await condemn(repository, { id: 'f'.repeat(32), at, objects: old }, (size) => randomBytes(size))
    const { summary } = await ctx.backup({ tables: ['p.*'] })
    expect(summary.reused).toBe(0)
    await repository.storage.delete(old)
    expect((await ctx.verify([summary.id], 'content')).findings).toEqual([])
  })

  it('begins again with new names when it is condemned between the look and the commit', async () => {
    const first = await backup()
    await engine.run("INSERT INTO p.t SELECT number, 'new' FROM numbers(400)")
    let raced = false
    const storage = {
      ...repository.storage,
      put: async (...args: Parameters<typeof repository.storage.put>) => {
        if (args[0].startsWith(layout.pending.prefix) && !raced) {
          raced = true
          // Right before it announces itself, a collector has condemned and swept what only the forgotten backup reached.
          await forgetNow(first)
          await prune({ confirmed: true })
        }
        return repository.storage.put(...args)
      },
    }
    const { summary } = await bench.context(engine, { ...repository, storage }).backup({ tables: ['p.*'] })
    expect(raced).toBe(true)
    expect((await ctx.verify([summary.id], 'content')).findings).toEqual([])
    expect(await keysOf(repository.storage, layout.pending.prefix)).toEqual([])
    const target = await bench.engine('raced')
    await bench.context(target, repository).restore(summary)
    const table = { database: 'p', name: 't' }
    expect(await fingerprint(target, table)).toEqual(await fingerprint(engine, table))
  })

  it('that was revoked says so, and leaves no backup', async () => {
    const storage = {
      ...repository.storage,
      put: async (...args: Parameters<typeof repository.storage.put>) => {
        const result = await repository.storage.put(...args)
        if (args[0].startsWith(layout.pending.prefix))
          await repository.storage.put(
            layout.revoked.key(args[0].slice(layout.pending.prefix.length)),
            new Uint8Array(1),
          )
        return result
      },
    }
    await expect(backup(bench.context(engine, { ...repository, storage }))).rejects.toMatchObject({
      code: 'CONFLICT',
      message: expect.stringContaining('taken for dead'),
    })
    expect((await keysOf(repository.storage, layout.forgotten.prefix)).length).toBe(1)
  })
})

describe('a restore', () => {
  it('pins its backup while it runs', async () => {
    const { summary } = await ctx.backup({ tables: ['p.*'] })
    const target = await bench.engine('pinning')
    let pins = 0
    const storage = {
      ...repository.storage,
      get: async (...args: Parameters<typeof repository.storage.get>) => {
        if (args[0].startsWith(layout.packs.prefix)) pins = (await readPins(repository)).length
        return repository.storage.get(...args)
      },
    }
    const context = bench.context(target, { ...repository, storage })
    const wish = { mode: 'all' as const }
    const prepared = await prepareRestore(context, {
      backup: summary,
      selector: parseSelector([]),
      partitions: [],
      wish,
    })
    await prepared.run()
    expect(pins).toBe(1)
    expect(await readPins(repository)).toEqual([])
  })
})

it('an open record of a collector that died is closed a day later, when all that it names is gone', async () => {
  await backup()
  const random = (size: number) => randomBytes(size)
  const [there = ''] = await packs()
  const gone = layout.packs.key('0'.repeat(64))
  const at = (days: number) => new Date(Date.now() - days * DAY).toISOString()
  await condemn(repository, { id: 'a'.repeat(32), at: at(2), objects: [gone] }, random)
  await condemn(repository, { id: 'b'.repeat(32), at: at(2), objects: [there] }, random)
  await condemn(repository, { id: 'c'.repeat(32), at: at(0), objects: [gone] }, random)
  await announce(repository, { name: `${'0'.repeat(32)}.1`, at: at(0), blocks: [] }, random)
  await prune()
  expect((await readCondemned(repository)).map(({ id }) => id)).toEqual(['b'.repeat(32), 'c'.repeat(32)])
})

it('a collector that was held up for hours after it condemned deletes nothing: a copy may have brought the names back', async () => {
  await forgetNow(await backup())
  await engine.run("INSERT INTO p.t SELECT number, 'new' FROM numbers(1000)")
  await backup()
  const before = await packs()
  let hours = 0
  const storage = {
    ...repository.storage,
    put: async (...args: Parameters<typeof repository.storage.put>) => {
      if (args[0].startsWith(layout.condemned.prefix)) hours = 7
      return repository.storage.put(...args)
    },
  }
  const slow = bench.context(
    engine,
    { ...repository, storage },
    { clock: () => new Date(Date.now() + (hours * DAY) / 24) },
  )
  await expect(prune({}, slow)).rejects.toMatchObject({ code: 'CONFLICT' })
  expect(await packs()).toEqual(before)
})
