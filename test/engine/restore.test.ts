import { existsSync, mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { BackupSummary } from '../../src/core/manifest.ts'
import { prepareRestore } from '../../src/operations/restore.ts'
import { parseSelector } from '../../src/core/selector.ts'
import type { Repository } from '../../src/repository/repository.ts'
import { fingerprint, partList, workbench } from '../helpers/workbench.ts'
import type { TestContext, TestEngine, Workbench } from '../helpers/workbench.ts'

let bench: Workbench
let source: TestEngine
let target: TestEngine
let repository: Repository
let from: BackupSummary
let ctx: TestContext

const ORDERS = { database: 'shop', name: 'orders' }
const PEOPLE = { database: 'shop', name: 'people' }

beforeAll(async () => {
  bench = await workbench()
  source = await bench.engine('source')
  target = await bench.engine('target')
  await source.run(
    'CREATE DATABASE shop',
    'CREATE TABLE shop.orders (p UInt8, k UInt64, v String) ENGINE = MergeTree PARTITION BY p ORDER BY k',
    'INSERT INTO shop.orders SELECT number % 3, number, toString(number) FROM numbers(3000)',
    'CREATE TABLE shop.people (id UInt64, version UInt32, name String) ENGINE = ReplacingMergeTree(version) ORDER BY id SETTINGS max_bytes_to_merge_at_max_space_in_pool = 1',
    ...[1, 2, 3, 4].map((version) => `INSERT INTO shop.people SELECT number, 1, 'v${version}' FROM numbers(10)`),
  )
  repository = await bench.repository('repository')
  from = (await bench.context(source, repository).backup()).summary
  ctx = bench.context(target, repository)
})
afterAll(() => bench[Symbol.asyncDispose]())
beforeEach(() => target.run('DROP DATABASE IF EXISTS shop SYNC', 'DROP DATABASE IF EXISTS other SYNC'))

const same = async (table = ORDERS, as = table): Promise<void> => {
  expect(await fingerprint(target, as)).toEqual(await fingerprint(source, table))
}
const tables = (): Promise<unknown> =>
  target.rows("SELECT database || '.' || name AS t FROM system.tables WHERE database IN ('shop', 'other') ORDER BY t")

describe('what is restored', () => {
  it('is everything, when nothing is chosen', async () => {
    const { findings } = await ctx.restore(from)
    expect(findings).toEqual([])
    await same(ORDERS)
    await same(PEOPLE)
  })

  it('is the tables and partitions that were chosen', async () => {
    await ctx.restore(from, { tables: ['shop.orders'], partitions: ['shop.orders:1'] })
    expect(await tables()).toEqual([{ t: 'shop.orders' }])
    expect(await fingerprint(target, ORDERS)).toEqual(await fingerprint(source, ORDERS, 'p = 1'))
  })

  it('is not partitions of one table and, without a word, nothing of another that was named', async () => {
    const partitions = ['shop.orders:1']
    await expect(ctx.restore(from, { tables: ['shop.*'], partitions })).rejects.toMatchObject({
      code: 'USAGE',
      message: '-t names shop.people as well, and --partition none of its partitions',
      hint: [expect.any(String), expect.stringContaining(`restore ${from.id} -t shop.people`)],
    })
    expect(await tables()).toEqual([])
    await ctx.restore(from, { tables: ['!shop.p*'], partitions })
    expect(await tables()).toEqual([{ t: 'shop.orders' }])
  })

  it('goes into another database, or under another name', async () => {
    await ctx.restore(from, { as: { database: 'other' } })
    await same(ORDERS, { database: 'other', name: 'orders' })
    await ctx.restore(from, { tables: ['shop.orders'], as: { database: 'other', name: 'old `orders`' } })
    await same(ORDERS, { database: 'other', name: 'old `orders`' })
    await expect(ctx.restore(from, { as: { database: 'other', name: 'one' } })).rejects.toMatchObject({ code: 'USAGE' })
  })

  it('is the definition only, with schema', async () => {
    await ctx.restore(from, { mode: 'schema' })
    expect(await target.value('SELECT count() FROM shop.orders')).toBe('0')
    const create = "SELECT create_table_query AS c FROM system.tables WHERE database = 'shop' ORDER BY name"
    expect(await target.rows(create)).toEqual(await source.rows(create))
  })

  it('is the data only, with data, into a table that fits', async () => {
    await ctx.restore(from, { mode: 'schema' })
    await ctx.restore(from, { mode: 'data' })
    await same(ORDERS)
    await same(PEOPLE)
    const final = 'SELECT * FROM shop.people FINAL ORDER BY id'
    expect(await target.rows(final)).toEqual(await source.rows(final))
  })

  it('lies in detached/, with detached, and attaches by hand', async () => {
    await ctx.restore(from, { mode: 'schema' })
    await ctx.restore(from, { mode: 'detached', tables: ['shop.orders'] })
    expect(await target.value('SELECT count() FROM shop.orders')).toBe('0')
    await target.run('ALTER TABLE shop.orders ATTACH PARTITION ALL')
    await same(ORDERS)
  })

  it('keeps names, block numbers and hashes of parts in a new table', async () => {
    await ctx.restore(from)
    expect(await partList(target, PEOPLE)).toEqual(await partList(source, PEOPLE))
  })

  it('is attached in block order to a table that is there: FINAL shows the same rows', async () => {
    await ctx.restore(from, { mode: 'schema', tables: ['shop.people'] })
    await ctx.restore(from, { mode: 'data', tables: ['shop.people'] })
    expect(await target.rows('SELECT DISTINCT name FROM shop.people FINAL')).toEqual([{ name: 'v4' }])
  })
})

describe('nothing is overwritten', () => {
  it('a table that exists is a conflict, found before anything is made', async () => {
    await target.run(
      'CREATE DATABASE shop',
      'CREATE TABLE shop.people (mine String) ENGINE = MergeTree ORDER BY tuple()',
      "INSERT INTO shop.people VALUES ('x')",
    )
    await expect(ctx.restore(from)).rejects.toMatchObject({
      code: 'CONFLICT',
      message: 'shop.people exists already',
      hint: [expect.stringContaining('--as'), expect.stringContaining('--replace')],
    })
    expect(await tables()).toEqual([{ t: 'shop.people' }])
    expect(await target.value('SELECT mine FROM shop.people')).toBe('x')
  })

  it('rows that are there are a conflict for data', async () => {
    await ctx.restore(from, { tables: ['shop.orders'] })
    await expect(ctx.restore(from, { tables: ['shop.orders'], mode: 'data' })).rejects.toMatchObject({
      code: 'CONFLICT',
      message: expect.stringContaining('holds rows already'),
    })
    await same(ORDERS)
  })

  it.each([
    [
      'another type',
      '(p UInt8, k UInt32, v String) ENGINE = MergeTree PARTITION BY p ORDER BY k',
      /column k is UInt32, not UInt64/,
    ],
    ['a missing column', '(p UInt8, k UInt64) ENGINE = MergeTree PARTITION BY p ORDER BY k', /has no column v/],
    [
      'another sorting key',
      '(p UInt8, k UInt64, v String) ENGINE = MergeTree PARTITION BY p ORDER BY (k, v)',
      /ORDER BY is k, v, not k/,
    ],
    [
      'another partition key',
      '(p UInt8, k UInt64, v String) ENGINE = MergeTree PARTITION BY k % 2 ORDER BY k',
      /PARTITION BY is k % 2, not p/,
    ],
    [
      'another engine',
      '(p UInt8, k UInt64, v String) ENGINE = SummingMergeTree PARTITION BY p ORDER BY k',
      /engine is SummingMergeTree, not MergeTree/,
    ],
  ])('a table with %s is a conflict, which ATTACH would not notice', async (_what, table, message) => {
    await target.run('CREATE DATABASE shop', `CREATE TABLE shop.orders ${table}`)
    for (const mode of ['data', 'detached'] as const) {
      await expect(ctx.restore(from, { tables: ['shop.orders'], mode })).rejects.toMatchObject({
        code: 'CONFLICT',
        message: expect.stringMatching(message),
      })
    }
  })

  it('a column that came after the backup is no conflict: it has its default', async () => {
    await target.run(
      'CREATE DATABASE shop',
      'CREATE TABLE shop.orders (p UInt8, k UInt64, v String, late UInt8 DEFAULT 7) ENGINE = MergeTree PARTITION BY p ORDER BY k',
    )
    await ctx.restore(from, { tables: ['shop.orders'], mode: 'data' })
    expect(await target.rows('SELECT count() AS n, sum(late) AS s FROM shop.orders')).toEqual([
      { n: '3000', s: '21000' },
    ])
  })

  it('a part of somebody else’s in detached/ is left alone', async () => {
    await ctx.restore(from, { tables: ['shop.orders'] })
    await target.run('ALTER TABLE shop.orders DETACH PARTITION 0')
    await expect(
      ctx.restore(from, { tables: ['shop.orders'], partitions: ['shop.orders:0'], mode: 'data' }),
    ).rejects.toMatchObject({ code: 'CONFLICT', message: expect.stringContaining('detached/') })
    await target.run('ALTER TABLE shop.orders ATTACH PARTITION ALL')
    await same(ORDERS)
  })

  it('an unknown partition is NOT_FOUND', async () => {
    await expect(ctx.restore(from, { partitions: ['shop.orders:9'] })).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })
})

describe('replace', () => {
  it('swaps the table in one step and keeps what was there beside it', async () => {
    await target.run(
      'CREATE DATABASE shop',
      'CREATE TABLE shop.orders (mine String) ENGINE = MergeTree ORDER BY tuple()',
      "INSERT INTO shop.orders VALUES ('x')",
    )
    const { tables: restored } = await ctx.restore(from, { tables: ['shop.orders'], mode: 'replace' })
    await same(ORDERS)
    expect(restored[0]?.kept).toEqual({ database: 'shop', name: 'orders_replaced' })
    expect(await target.value('SELECT mine FROM shop.orders_replaced')).toBe('x')
    await ctx.restore(from, { tables: ['shop.orders'], mode: 'replace' })
    await same(ORDERS, { database: 'shop', name: 'orders_replaced_2' })
  })

  it('in a database without EXCHANGE, too', async () => {
    const { trusted } = await import('../../src/core/sql.ts')
    await target.command(trusted('CREATE DATABASE shop ENGINE = Ordinary'), {
      settings: { allow_deprecated_database_ordinary: 1 },
    })
    await target.run(
      'CREATE TABLE shop.orders (mine String) ENGINE = MergeTree ORDER BY tuple()',
      "INSERT INTO shop.orders VALUES ('x')",
    )
    await ctx.restore(from, { tables: ['shop.orders'], mode: 'replace' })
    await same(ORDERS)
    expect(await target.value('SELECT mine FROM shop.orders_replaced')).toBe('x')
  })

  it('of a partition leaves the others, and keeps the rows that were there', async () => {
    await ctx.restore(from, { tables: ['shop.orders'] })
    await target.run(
      "INSERT INTO shop.orders VALUES (1, 99999, 'new'), (2, 99999, 'new')",
      'ALTER TABLE shop.orders DELETE WHERE p = 1 AND k < 100 SETTINGS mutations_sync = 2',
    )
    const { tables: restored } = await ctx.restore(from, {
      tables: ['shop.orders'],
      partitions: ['shop.orders:1'],
      mode: 'replace',
    })
    expect(await fingerprint(target, ORDERS, 'p != 2')).toEqual(await fingerprint(source, ORDERS, 'p != 2'))
    expect(await target.value("SELECT count() FROM shop.orders WHERE p = 2 AND v = 'new'")).toBe('1')
    const kept = restored[0]?.kept?.name
    expect(await target.rows(`SELECT count() AS n, countIf(v = 'new') AS new FROM shop.${kept}`)).toEqual([
      { n: '968', new: '1' },
    ])
  })
})

describe('the plan', () => {
  it('is printed before it is run, and changes nothing', async () => {
    const prepared = await prepareRestore(ctx, {
      backup: from,
      selector: parseSelector(['shop.orders']),
      partitions: [],
      wish: { mode: 'all' },
    })
    expect(prepared.plan).toEqual({
      backup: from.id,
      databases: ['shop'],
      serverEntries: [],
      access: [],
      leftOut: [],
      offsets: [],
      steps: [
        {
          action: 'create',
          create: expect.stringMatching(/^CREATE TABLE `shop`\.`orders` /),
          source: ORDERS,
          target: ORDERS,
          engine: 'MergeTree',
          partitions: ['0', '1', '2'],
          parts: 3,
          rows: 3000,
          bytes: expect.any(Number),
        },
      ],
    })
    expect(await tables()).toEqual([])
  })
})

describe('a restore that was killed', () => {
  it('goes on from what it staged: nothing is fetched twice', async () => {
    let fetched = 0
    const counting = {
      ...repository,
      storage: {
        ...repository.storage,
        get: (...args: Parameters<typeof repository.storage.get>) => (
          (fetched += args[0].startsWith('packs/') ? 1 : 0),
          repository.storage.get(...args)
        ),
      },
    }
    const stop = new AbortController()
    const engine = {
      ...target,
      command: async (...args: Parameters<typeof target.command>) => {
        if (args[0].text.startsWith('DETACH')) throw new Error('killed here')
        return target.command(...args)
      },
    }
    await expect(
      bench.context(engine, counting, { signal: stop.signal }).restore(from, { tables: ['shop.orders'] }),
    ).rejects.toThrow('killed here')
    expect(fetched).toBeGreaterThan(0)
    fetched = 0
    await bench.context(target, counting).restore(from, { tables: ['shop.orders'] })
    expect(fetched).toBe(0)
    await same(ORDERS)
  })

  it.each(['DETACH', 'ATTACH TABLE', 'RENAME'])(
    'at %s is simply run again, and duplicates nothing',
    async (statement) => {
      const engine = {
        ...target,
        command: async (...args: Parameters<typeof target.command>) => {
          if (args[0].text.startsWith(statement)) throw new Error('killed here')
          return target.command(...args)
        },
      }
      await expect(bench.context(engine, repository).restore(from, { tables: ['shop.orders'] })).rejects.toThrow(
        'killed here',
      )
      await ctx.restore(from, { tables: ['shop.orders'] })
      await same(ORDERS)
      expect(await tables()).toEqual([{ t: 'shop.orders' }])
    },
  )

  it.each([1, 2, 3, 4])('at the %i. ATTACH PART into a table that is there attaches each part once', async (nth) => {
    await ctx.restore(from, { mode: 'schema', tables: ['shop.people'] })
    let seen = 0
    const before = {
      ...target,
      command: async (...args: Parameters<typeof target.command>) => {
        if (args[0].text.includes('ATTACH PART') && ++seen === nth) throw new Error('killed before')
        return target.command(...args)
      },
    }
    await expect(
      bench.context(before, repository).restore(from, { tables: ['shop.people'], mode: 'data' }),
    ).rejects.toThrow('killed before')
    seen = 0
    const after = {
      ...target,
      command: async (...args: Parameters<typeof target.command>) => {
        await target.command(...args)
        if (args[0].text.includes('ATTACH PART') && ++seen === 1) throw new Error('killed after')
      },
    }
    await bench
      .context(after, repository)
      .restore(from, { tables: ['shop.people'], mode: 'data' })
      .catch(() => undefined)
    await ctx.restore(from, { tables: ['shop.people'], mode: 'data' })
    await same(PEOPLE)
  })

  it('leaves its half-built parts where DROP TABLE takes them along', async () => {
    await ctx.restore(from, { mode: 'schema', tables: ['shop.orders'] })
    const path = await target.value(
      "SELECT data_paths[1] FROM system.tables WHERE database = 'shop' AND name = 'orders'",
    )
    mkdirSync(join(path, 'detached', 'permafrost-0123', 'tmp-x'), { recursive: true })
    await target.run('DROP TABLE shop.orders SYNC')
    expect(existsSync(path) ? readdirSync(path) : []).toEqual([])
  })
})
