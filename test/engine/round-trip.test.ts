import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parseSelector } from '../../src/core/selector.ts'
import { fingerprint, keysOf, messages, partList, workbench } from '../helpers/workbench.ts'
import type { TestEngine, Workbench } from '../helpers/workbench.ts'

let bench: Workbench
let source: TestEngine
let target: TestEngine

beforeAll(async () => {
  bench = await workbench()
  source = await bench.engine('source')
  target = await bench.engine('target')
  await source.run(
    'CREATE DATABASE shop',
    `CREATE TABLE shop.orders (id UInt64, day Date, customer String, total Decimal(12, 2), PROJECTION daily (SELECT day, sum(total) GROUP BY day))
     ENGINE = MergeTree PARTITION BY toYYYYMM(day) ORDER BY id SETTINGS min_bytes_for_wide_part = 0`,
    `INSERT INTO shop.orders SELECT number, toDate('2026-01-01') + number % 90, randomString(100), number / 7 FROM numbers(200000)`,
    `CREATE TABLE shop.tags (name String, n UInt32) ENGINE = ReplacingMergeTree(n) ORDER BY name`,
    `INSERT INTO shop.tags SELECT 'a', 1`,
    `INSERT INTO shop.tags SELECT 'a', 2`,
    `CREATE TABLE shop.empty (k UInt8) ENGINE = MergeTree ORDER BY k`,
  )
})
afterAll(() => bench[Symbol.asyncDispose]())

describe('a backup restored into an empty engine', () => {
  it.each(['aes-256-gcm', 'chacha20-poly1305', 'none'] as const)(
    'is the same, part by part and column by column, with suite %s',
    async (suite) => {
      const repository = await bench.repository(`round-trip-${suite}`, { suite })
      const { summary, findings } = await bench.context(source, repository).backup({ tables: ['shop.*'] })
      expect(findings).toEqual([])
      expect(summary).toMatchObject({ status: 'complete', tables: 3, rows: 200_002, reused: 0 })

      const { tables } = await bench.context(target, repository).restore(summary)
      expect(tables.map((table) => table.table.name).sort()).toEqual(['empty', 'orders', 'tags'])
      for (const name of ['orders', 'tags', 'empty']) {
        const table = { database: 'shop', name }
        expect(await fingerprint(target, table)).toEqual(await fingerprint(source, table))
        expect(await partList(target, table)).toEqual(await partList(source, table))
      }
      expect(await target.rows('SELECT * FROM shop.tags FINAL')).toEqual([{ name: 'a', n: 2 }])
      await target.run('DROP DATABASE shop SYNC')
    },
  )

  it('is the same when it was compressed, which is done where ClickHouse left something to gain', async () => {
    await source.run(
      'CREATE DATABASE twice',
      // LZ4 has no use for digits at random, and zstd has; of random bytes nobody makes fewer.
      'CREATE TABLE twice.digits (k UInt64, v String) ENGINE = MergeTree ORDER BY k SETTINGS min_bytes_for_wide_part = 0',
      'CREATE TABLE twice.random (k UInt64, v String) ENGINE = MergeTree ORDER BY k SETTINGS min_bytes_for_wide_part = 0',
      'INSERT INTO twice.digits SELECT cityHash64(number), toString(cityHash64(number, 1)) FROM numbers(300000)',
      'INSERT INTO twice.random SELECT cityHash64(number), randomString(20) FROM numbers(300000)',
    )
    const repository = await bench.repository('compressed')
    const limits = { workers: 2, memory: 256 << 20 }
    const ctx = bench.context(source, repository, { limits: { ...limits, compression: 'auto' } })
    const stored = async (table: string): Promise<number> => {
      const { summary } = await ctx.backup({ tables: [`twice.${table}`] })
      return summary.stored / summary.logical
    }
    expect(await stored('digits')).toBeLessThan(0.8)
    expect(await stored('random')).toBeGreaterThan(0.95)

    const whole = bench.context(source, repository, { limits })
    const { summary } = await whole.backup({ tables: ['twice.*'] })
    expect(summary.reused).toBe(summary.logical)
    expect(await whole.verify([summary.id], 'content')).toMatchObject({ findings: [] })
    await bench.context(target, repository).restore(summary)
    for (const name of ['digits', 'random']) {
      const table = { database: 'twice', name }
      expect(await fingerprint(target, table)).toEqual(await fingerprint(source, table))
      expect(await partList(target, table)).toEqual(await partList(source, table))
    }
    for (const engine of [source, target]) await engine.run('DROP DATABASE twice SYNC')
  })

  it('leaves no freeze, no staging and no scratch table behind', async () => {
    const repository = await bench.repository('tidy')
    const { summary } = await bench.context(source, repository).backup({ tables: ['shop.*'] })
    await bench.context(target, repository).restore(summary, { as: { database: 'tidy' } })
    const { readdirSync } = await import('node:fs')
    expect(readdirSync(`${source.path}/shadow`)).toEqual(['increment.txt'])
    expect(
      readdirSync(target.path, { recursive: true }).filter((path) => String(path).includes('permafrost-')),
    ).toEqual([])
    expect(await target.value("SELECT count() FROM system.tables WHERE name LIKE 'permafrost%'")).toBe('0')
    await target.run('DROP DATABASE tidy SYNC')
  })
})

describe('a second backup', () => {
  it('of an unchanged server stores nothing but its record, and reads no data file', async () => {
    const repository = await bench.repository('unchanged')
    const ctx = bench.context(source, repository, { limits: { workers: 0, memory: 64 << 20 } })
    await ctx.backup({ tables: ['shop.*'] })
    const before = await keysOf(repository.storage)

    const opened: string[] = []
    const disk = {
      ...ctx.disk,
      open: (path: string, mode: 'read' | 'create') => (opened.push(path), ctx.disk.open(path, mode)),
      read: (path: string) => (opened.push(path), ctx.disk.read(path)),
    }
    const { summary } = await bench
      .context(source, repository, { disk, limits: { workers: 0, memory: 64 << 20 } })
      .backup({ tables: ['shop.*'] })

    expect(summary.stored).toBe(0)
    expect(summary.reused).toBe(summary.logical)
    const added = (await keysOf(repository.storage)).filter((key) => !before.includes(key))
    expect(added).toEqual([`backups/${summary.id}`])
    expect(opened.length).toBeGreaterThan(0)
    expect(opened.filter((path) => /\.(bin|cmrk\d?|mrk\d?|idx|cidx)$/.test(path))).toEqual([])
  })

  it('reads none even where a read would fail: flipped bytes in stored parts stay unseen until they are verified at the source', async () => {
    const repository = await bench.repository('unread')
    const ctx = bench.context(source, repository)
    await ctx.backup({ tables: ['shop.tags'] })
    const { flipByte, restoreByte } = await import('../helpers/damage.ts')
    const [part] = await source.rows(
      "SELECT path FROM system.parts WHERE database = 'shop' AND table = 'tags' AND active ORDER BY name LIMIT 1",
    )
    const file = `${String(part?.['path'])}data.bin`
    const undo = flipByte(file)
    const { findings } = await ctx.backup({ tables: ['shop.tags'] })
    restoreByte(undo)
    expect(findings).toEqual([])
  })

  it('stores only what is new: a mutation of one column points to the other columns where they lie', async () => {
    const repository = await bench.repository('mutated')
    const ctx = bench.context(source, repository)
    await source.run(
      'CREATE DATABASE mutated',
      'CREATE TABLE mutated.t (k UInt64, a String, b String, c UInt8) ENGINE = MergeTree ORDER BY k SETTINGS min_bytes_for_wide_part = 0',
      'INSERT INTO mutated.t SELECT number, randomString(40), randomString(40), 1 FROM numbers(100000)',
    )
    const first = await ctx.backup({ tables: ['mutated.*'] })
    await source.run('ALTER TABLE mutated.t UPDATE c = 2 WHERE k % 2 = 0 SETTINGS mutations_sync = 2')
    const second = await ctx.backup({ tables: ['mutated.*'] })
    expect(first.summary.stored).toBeGreaterThan(8_000_000)
    expect(second.summary.reused).toBeGreaterThan(8_000_000)
    expect(second.summary.stored).toBeLessThan(600_000)

    await bench.context(target, repository).restore(second.summary)
    const table = { database: 'mutated', name: 't' }
    expect(await fingerprint(target, table)).toEqual(await fingerprint(source, table))
    await bench.context(target, repository).restore(first.summary, { as: { database: 'mutated_before' } })
    expect(await target.value('SELECT sum(c) FROM mutated_before.t')).toBe('100000')
  })

  it('of other tables does not cut the first ones off from what is stored', async () => {
    const repository = await bench.repository('subset')
    const ctx = bench.context(source, repository)
    await ctx.backup({ tables: ['shop.orders'] })
    await ctx.backup({ tables: ['shop.tags'] })
    const { summary } = await ctx.backup({ tables: ['shop.*'] })
    expect(summary.stored).toBeLessThan(20_000)
    expect(summary.reused).toBe(summary.logical)
  })

  it('of a table that was dropped and restored stores nothing: its uuid is new, its parts are not', async () => {
    const repository = await bench.repository('restored')
    const ctx = bench.context(source, repository)
    const first = await ctx.backup({ tables: ['shop.orders'] })
    await source.run('DROP TABLE shop.orders SYNC')
    await ctx.restore(first.summary)
    const second = await ctx.backup({ tables: ['shop.orders'] })
    expect(second.summary.reused).toBe(second.summary.logical)
    expect(second.summary.stored).toBeLessThan(1000)
  })

  it('of a table that was made anew stores its parts, though they have the names of the old ones', async () => {
    const repository = await bench.repository('anew')
    const ctx = bench.context(source, repository)
    const make = async (first: number) => {
      await source.run(
        'CREATE DATABASE IF NOT EXISTS anew',
        'DROP TABLE IF EXISTS anew.t SYNC',
        'CREATE TABLE anew.t (k UInt64) ENGINE = MergeTree ORDER BY k',
        `INSERT INTO anew.t SELECT number + ${first} FROM numbers(100)`,
      )
      return (await ctx.backup({ tables: ['anew.*'] })).summary
    }
    const [before, after] = [await make(0), await make(1000)]
    expect(after.reused).toBe(0)
    const to = bench.context(target, repository)
    await to.restore(before, { as: { database: 'anew_before' } })
    await to.restore(after, { as: { database: 'anew_after' } })
    expect(await target.value('SELECT min(k) FROM anew_before.t')).toBe('0')
    expect(await target.value('SELECT min(k) FROM anew_after.t')).toBe('1000')
  })

  it('stores again what lies in packs that are mostly dead, so that they die', async () => {
    const repository = await bench.repository('self-clean')
    const ctx = bench.context(source, repository)
    await source.run(
      'CREATE DATABASE clean',
      'CREATE TABLE clean.t (k UInt64, v String) ENGINE = MergeTree PARTITION BY k ORDER BY k',
      'SYSTEM STOP MERGES clean.t',
      'INSERT INTO clean.t SELECT number % 8, randomString(1000) FROM numbers(8000)',
    )
    const first = await ctx.backup({ tables: ['clean.*'] })
    for (const partition of [1, 2, 3, 4, 5, 6]) await source.run(`ALTER TABLE clean.t DROP PARTITION ${partition}`)
    const unaware = await ctx.backup({ tables: ['clean.*'] })
    expect(unaware.summary.stored).toBeLessThan(10_000)
    const cleaning = await ctx.backup({ tables: ['clean.*'] })
    expect(first.summary.stored).toBeGreaterThan(7_000_000)
    // The newest partition has packs of its own; of the seven others, one is left.
    expect(cleaning.summary.stored).toBeGreaterThan(990_000)
    expect(cleaning.summary.stored).toBeLessThan(1_100_000)
  })
})

describe('selecting', () => {
  it('refuses a table that is not there', async () => {
    const repository = await bench.repository('select')
    const ctx = bench.context(source, repository)
    await expect(ctx.backup({ tables: ['shop.ordres'] })).rejects.toMatchObject({ code: 'NOT_FOUND' })
    await expect(ctx.backup({ tables: ['nowhere.*'] })).rejects.toMatchObject({ code: 'NOT_FOUND' })
    expect(parseSelector(['*.*']).patterns).toHaveLength(1)
    expect(messages([], 'damage')).toEqual([])
  })
})
