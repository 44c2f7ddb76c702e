import { readdirSync } from 'node:fs'
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
    const live = await engine.rows(`${BY_EVENT} FORMAT TSV`).catch(() => undefined)
    expect(live).toBeUndefined()
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
})
