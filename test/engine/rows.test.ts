import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parseChecksums } from '../../src/core/checksums.ts'
import { encodeChecksums } from '../../src/core/native-part.ts'
import type { Repository } from '../../src/repository/repository.ts'
import { fingerprint, messages, workbench } from '../helpers/workbench.ts'
import type { TestContext, TestEngine, Workbench } from '../helpers/workbench.ts'

const ENGINES = ['Memory', 'Log', 'TinyLog', 'StripeLog', 'Join(ANY, LEFT, k)', 'EmbeddedRocksDB PRIMARY KEY k']
const NAMES = ENGINES.map((engine) => engine.split(/\W/)[0] ?? '')

let bench: Workbench
let source: TestEngine
let target: TestEngine
let repository: Repository
let ctx: TestContext

beforeAll(async () => {
  bench = await workbench()
  source = await bench.engine('source')
  target = await bench.engine('target')
  await source.run(
    'CREATE DATABASE d',
    'CREATE TABLE d.parts (k UInt64) ENGINE = MergeTree ORDER BY k',
    'INSERT INTO d.parts VALUES (1)',
    'CREATE TABLE d.sieve (k UInt64) ENGINE = Set',
    'INSERT INTO d.sieve VALUES (1)',
  )
  for (const [index, engine] of ENGINES.entries())
    await source.run(
      `CREATE TABLE d.${NAMES[index]} (k UInt64, v String, a Array(Nullable(UInt8)), m String MATERIALIZED upper(v)) ENGINE = ${engine}`,
      `INSERT INTO d.${NAMES[index]} SELECT number, repeat('x', number % 50), [NULL, 1] FROM numbers(10000)`,
    )
  repository = await bench.repository('repository')
  ctx = bench.context(source, repository)
})
afterAll(() => bench[Symbol.asyncDispose]())

const without = (engine: string) =>
  expect.stringMatching(new RegExp(`^d\\.\\w+: engine ${engine} keeps its rows outside`))

describe('tables that have no parts', () => {
  it('are named when their rows are not in the backup', async () => {
    const { summary, findings } = await ctx.backup()
    expect(summary.status).toBe('incomplete')
    expect(messages(findings, 'incomplete').toSorted()).toEqual([...NAMES.toSorted(), 'Set'].map(without))
  })

  it('come back row by row, when that is wished; a Set cannot be read, and is named', async () => {
    const { summary, findings } = await ctx.backup({ nonMergeTree: true })
    expect(messages(findings, 'incomplete')).toEqual([without('Set')])
    expect(summary.tables).toBe(1 + NAMES.length)
    expect((await ctx.verify([summary.id], 'content')).findings).toEqual([])
    const restored = await bench.context(target, repository).restore(summary)
    expect(restored.findings).toEqual([])
    const all = async (engine: TestEngine) =>
      Promise.all(NAMES.map((name) => fingerprint(engine, { database: 'd', name })))
    expect(await all(target)).toEqual(await all(source))
    expect(await target.value("SELECT joinGet('d.Join', 'v', toUInt64(3))")).toBe('xxx')
    const shadow = join(target.path, 'shadow')
    expect(existsSync(shadow) ? readdirSync(shadow) : []).toEqual([])
  })

  it('are not stored again when their rows are the same', async () => {
    const first = await ctx.backup({ nonMergeTree: true })
    const { summary } = await ctx.backup({ nonMergeTree: true })
    expect(summary.reused).toBe(first.summary.logical)
    await source.run("INSERT INTO d.Memory VALUES (7, 'new', [])")
    const changed = (await ctx.backup({ nonMergeTree: true })).summary
    expect(changed.rows).toBe(summary.rows + 1)
    expect(changed.reused).toBeGreaterThan(0)
  })

  it('are replaced by a new one beside the old, and take no parts', async () => {
    const { summary } = await ctx.backup({ nonMergeTree: true, tables: ['d.parts', 'd.Log'] })
    const there = bench.context(target, repository)
    await expect(there.restore(summary, { tables: ['d.Log'] })).rejects.toMatchObject({ code: 'CONFLICT' })
    await expect(there.restore(summary, { tables: ['d.Log'], mode: 'data' })).rejects.toMatchObject({
      code: 'CONFLICT',
    })
    const { tables } = await there.restore(summary, { tables: ['d.Log'], mode: 'replace' })
    expect(tables[0]?.kept?.name).toBe('Log_replaced')
    expect(await target.value('SELECT count() FROM d.Log')).toBe('10000')
  })
})

describe('a checksums.txt of ours', () => {
  it('reads as ClickHouse’s own does', () => {
    const files = new Map([
      ['count.txt', { size: 3, hash: '0123456789abcdeffedcba9876543210' }],
      ['rows.native', { size: 2 ** 40 + 5, hash: 'f'.repeat(32) }],
    ])
    const zstd = (): never => {
      throw new Error('nothing in it is compressed')
    }
    expect(parseChecksums(encodeChecksums(files), { zstd })).toEqual(files)
  })
})
