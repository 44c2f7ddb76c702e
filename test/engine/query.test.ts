import { readdirSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { BackupSummary } from '../../src/core/manifest.ts'
import { parsePartitionChoice, parseSelector } from '../../src/core/selector.ts'
import { withView } from '../../src/operations/view.ts'
import type { QueryLimits, View, ViewOptions } from '../../src/operations/view.ts'
import type { Repository } from '../../src/repository/repository.ts'
import { flipByte, restoreByte } from '../helpers/damage.ts'
import { workbench } from '../helpers/workbench.ts'
import type { TestContext, TestEngine, Workbench } from '../helpers/workbench.ts'

let bench: Workbench
let engine: TestEngine
let repository: Repository
let ctx: TestContext
let before: BackupSummary
let latest: BackupSummary

beforeAll(async () => {
  bench = await workbench()
  engine = await bench.engine('source')
  repository = await bench.repository('repository')
  ctx = bench.context(engine, repository)
  await engine.run(
    'CREATE DATABASE posthog',
    // Wide parts, two large columns of noise, one of a few values; and a projection, which the view must use, too.
    `CREATE TABLE posthog.sharded_events (id UInt64, day Date, event LowCardinality(String), properties String, person String,
       PROJECTION by_event (SELECT event, count() GROUP BY event)) ENGINE = MergeTree PARTITION BY day ORDER BY id
       TTL day + INTERVAL 100 YEAR SETTINGS min_bytes_for_wide_part = 0`,
    `INSERT INTO posthog.sharded_events SELECT number, toDate('2026-11-20') + number % 2, ['pageview', 'click', 'identify'][1 + number % 3],
       randomString(900), randomString(100) FROM numbers(40000)`,
    // A hundred parts, and granules of a few rows: a row by its key is in one granule of one part.
    `CREATE TABLE posthog.lookup (id UInt64, payload String) ENGINE = MergeTree PARTITION BY intDiv(id, 600) ORDER BY id
       SETTINGS min_bytes_for_wide_part = 0, index_granularity = 64`,
    `INSERT INTO posthog.lookup SELECT number, randomString(4000) FROM numbers(60000)`,
    'CREATE TABLE posthog.`odd na.me` (`a b` String) ENGINE = ReplacingMergeTree ORDER BY `a b`',
    "INSERT INTO posthog.`odd na.me` VALUES ('x')",
  )
  before = (await ctx.backup()).summary
  await engine.run(
    "INSERT INTO posthog.sharded_events SELECT 1000000 + number, toDate('2026-11-22'), 'signup', '', '' FROM numbers(500)",
  )
  latest = (await ctx.backup()).summary
})
afterAll(() => bench[Symbol.asyncDispose]())

function view<T>(work: (view: View) => Promise<T>, options: Partial<ViewOptions> = {}): Promise<T> {
  const all = { backups: [{ backup: latest }], selector: parseSelector([]), partitions: [], ...options }
  return withView(ctx, { scratch: join(bench.directory, 'scratch'), ...all }, work)
}

async function ask(one: View, statement: string, limits: Partial<QueryLimits> = {}): Promise<string> {
  const chunks: Uint8Array[] = []
  for await (const chunk of one.ask(statement, { format: 'TSV', ...limits })) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}

const BY_EVENT = 'SELECT event, count(), sum(id) FROM posthog.sharded_events GROUP BY event ORDER BY event'

describe('a query on an encrypted backup', () => {
  it('gives the answer of the live engine, and fetches the columns that it needs', async () => {
    const expected = (await engine.rows(BY_EVENT)).map((row) => Object.values(row).join('\t')).join('\n')
    await view(async (one) => {
      expect(await ask(one, BY_EVENT)).toBe(`${expected}\n`)
      const { fetched, stored } = one.fetched()
      expect(stored).toBeGreaterThan(40_000_000)
      expect(fetched / stored).toBeLessThan(0.03)
    })
  })

  it('finds a row by its key in a table of a hundred parts with less than one percent of it', async () => {
    expect(await engine.value("SELECT count() FROM system.parts WHERE active AND table = 'lookup'")).toBe('100')
    const statement = 'SELECT cityHash64(payload) FROM posthog.lookup WHERE id = 31234'
    const expected = await engine.value(statement)
    await view(async (one) => {
      expect(await ask(one, statement)).toBe(`${expected}\n`)
      const { fetched, stored } = one.fetched()
      expect(fetched / stored).toBeLessThan(0.01)
    })
  })

  it('uses projections, keeps odd names, and opens views of several backups side by side', async () => {
    await view(async (one) => {
      const plan = await ask(
        one,
        'EXPLAIN indexes = 1 SELECT event, count() FROM posthog.sharded_events GROUP BY event',
      )
      expect(plan).toContain('by_event')
      expect(await ask(one, 'SELECT `a b` FROM posthog.`odd na.me`')).toBe('x\n')
    })
    const statement = `SELECT l.event, l.n, ifNull(e.n, 0) FROM (SELECT event, count() AS n FROM posthog_now.sharded_events GROUP BY event) l
      LEFT JOIN (SELECT event, count() AS n FROM posthog_then.sharded_events GROUP BY event) e USING event ORDER BY event`
    const backups = [
      { backup: before, name: 'then' },
      { backup: latest, name: 'now' },
    ]
    await view(
      async (one) => {
        expect(await ask(one, statement)).toBe(
          'click\t13333\t13333\nidentify\t13333\t13333\npageview\t13334\t13334\nsignup\t500\t0\n',
        )
      },
      { backups },
    )
  })

  it('shows only the tables and partitions that it is narrowed to', async () => {
    const options = {
      selector: parseSelector(['posthog.sharded_events']),
      partitions: [parsePartitionChoice('posthog.sharded_events:20261122')],
    }
    await view(async (one) => {
      expect(await ask(one, 'SELECT count() FROM posthog.sharded_events')).toBe('500\n')
      await expect(ask(one, 'SELECT count() FROM posthog.lookup')).rejects.toThrow(/Unknown table.*posthog\.lookup/)
    }, options)
  })

  it('cannot change anything, nor read a file of the machine or an address', async () => {
    const statements = [
      'INSERT INTO posthog.sharded_events (id) VALUES (1)',
      'DROP TABLE posthog.sharded_events',
      'TRUNCATE TABLE posthog.sharded_events',
      'OPTIMIZE TABLE posthog.sharded_events FINAL',
      'CREATE TABLE posthog.mine (k UInt8) ENGINE = Memory',
      "SELECT * FROM file('/etc/passwd', 'LineAsString')",
      "SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString')",
      'SET readonly = 0',
    ]
    await view(async (one) => {
      expect(await ask(one, 'SELECT count() FROM posthog.sharded_events')).toBe('40500\n')
      for (const statement of statements) await expect(ask(one, statement)).rejects.toThrow(/^ClickHouse said/)
      expect(await ask(one, 'SELECT count() FROM posthog.sharded_events')).toBe('40500\n')
    })
  })

  it('is refused above its limits, and never cut short in silence', async () => {
    const everything = 'SELECT id, properties FROM posthog.sharded_events'
    await view(async (one) => {
      await expect(ask(one, everything, { rows: 10 })).rejects.toThrow(/limit.*result/i)
      await expect(
        ask(one, 'SELECT groupArray(properties) FROM posthog.sharded_events', { memory: 10 << 20 }),
      ).rejects.toThrow(/memory/i)
      // An error behind rows that were sent already.
      await expect(
        ask(one, 'SELECT throwIf(number = 3000000) FROM numbers(4000000) SETTINGS max_block_size = 1000'),
      ).rejects.toThrow(/throwIf|non-zero/)
      expect((await ask(one, everything)).length).toBeGreaterThan(30_000_000)
    })
    await view(
      async (one) => {
        await expect(ask(one, everything)).rejects.toMatchObject({
          code: 'ENGINE_REFUSED',
          message: expect.stringContaining('8 MiB'),
        })
      },
      { mostFetched: 8 << 20 },
    )
  })

  it('on a damaged pack is an error that names table, part and file, and never an answer', async () => {
    const packs = packFiles()
    const flips = packs.map((path) => flipByte(path, 0.5))
    try {
      const statement = 'SELECT sum(cityHash64(properties)) FROM posthog.sharded_events'
      const error: unknown = await view((one) => ask(one, statement)).catch((thrown: unknown) => thrown)
      expect(error).toMatchObject({
        code: 'DAMAGED',
        message: expect.stringMatching(/^posthog\.sharded_events 202611\d\d_\d+_\d+_0 \S+: .* in pack [0-9a-f]{64}$/),
      })
    } finally {
      for (const flip of flips) restoreByte(flip)
    }
    await view(async (one) => {
      expect(await ask(one, 'SELECT count() FROM posthog.sharded_events WHERE NOT ignore(properties)')).toBe('40500\n')
    })
  })

  it('on a missing pack is such an error, too', async () => {
    const packs = packFiles()
    for (const path of packs) renameSync(path, `${path}.away`)
    try {
      await expect(view((one) => ask(one, BY_EVENT))).rejects.toMatchObject({
        code: 'DAMAGED',
        message: expect.stringMatching(/^posthog\.sharded_events \S+ \S+: pack [0-9a-f]{64} is missing or cut short$/),
      })
    } finally {
      for (const path of packs) renameSync(`${path}.away`, path)
    }
  })

  it('can be served to another ClickHouse, and only to one that knows its key', async () => {
    const other = await bench.engine('other')
    await view(
      async (one) => {
        const statements = await one.statements()
        await other.run(...statements)
        expect(await other.value('SELECT count() FROM posthog.sharded_events')).toBe('40500')
        const [, endpoint = ''] = /endpoint = '([^']*)'/.exec(statements.join()) ?? []
        const answer = await fetch(`${endpoint}?list-type=2`)
        expect(answer.status).toBe(403)
        await other.run('DROP DATABASE posthog SYNC')
      },
      { selector: parseSelector(['posthog.sharded_events']), listen: { host: '127.0.0.1', port: 0 } },
    )
  })

  it('leaves nothing behind', () => {
    expect(readdirSync(join(bench.directory, 'scratch'))).toEqual([])
  })
})

function packFiles(): readonly string[] {
  const root = join(bench.directory, 'repository', 'packs')
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
}
