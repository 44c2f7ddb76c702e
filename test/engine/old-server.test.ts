import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { hasOldServer, oldServer } from '../helpers/old-server.ts'
import { messages, workbench } from '../helpers/workbench.ts'
import type { TestEngine, Workbench } from '../helpers/workbench.ts'

describe.runIf(hasOldServer)('ClickHouse 18.16, the same code', () => {
  let bench: Workbench
  let source: TestEngine
  let target: TestEngine

  beforeAll(async () => {
    bench = await workbench()
    source = await oldServer(join(bench.directory, 'source'))
    target = await oldServer(join(bench.directory, 'target'))
    await source.run(
      'CREATE DATABASE shop',
      'CREATE TABLE shop.`or``ders` (d Date, k UInt64, `na me` String) ENGINE = MergeTree PARTITION BY toYYYYMM(d) ORDER BY k'.replace(
        '``',
        '\\`',
      ),
      "INSERT INTO shop.`or\\`ders` SELECT toDate('2018-01-01') + number % 60, number, toString(number) FROM system.numbers LIMIT 10000",
      'CREATE TABLE shop.old (d Date, k UInt64) ENGINE = MergeTree(d, k, 8192)',
      "INSERT INTO shop.old SELECT toDate('2018-01-01') + number % 60, number FROM system.numbers LIMIT 1000",
      'CREATE TABLE shop.latest (k UInt64, v UInt64) ENGINE = ReplacingMergeTree ORDER BY k',
      ...[1, 2, 3].map((v) => `INSERT INTO shop.latest SELECT number, ${v} FROM system.numbers LIMIT 10`),
    )
  })
  afterAll(async () => {
    for (const engine of [source, target]) await engine[Symbol.asyncDispose]()
    await bench[Symbol.asyncDispose]()
  })

  const hashes = async (engine: TestEngine) =>
    Promise.all(
      ['shop.`or\\`ders`', 'shop.old', 'shop.latest FINAL'].map((table) =>
        engine.rows(`SELECT count() AS n, sum(cityHash64(*)) AS h FROM ${table}`),
      ),
    )

  it('is frozen, stored and restored, and is equal', async () => {
    const repository = await bench.repository('old')
    const { summary, findings } = await bench.context(source, repository).backup()
    expect(findings).toEqual([])
    expect(summary).toMatchObject({ clickhouse: '18.16.1', tables: 3, rows: 11_030 })
    expect(readdirSync(join(source.path, 'shadow')).filter((name) => name.startsWith('permafrost'))).toEqual([])

    const again = await bench.context(source, repository).backup()
    expect(again.summary).toMatchObject({ stored: 0, reused: summary.logical })
    expect((await bench.context(source, repository).verify([summary.id], 'content')).findings).toEqual([])

    const restored = await bench.context(target, repository).restore(summary)
    expect(restored.findings).toEqual([])
    expect(await hashes(target)).toEqual(await hashes(source))
  })

  it('replaces a table by RENAME, for it has no EXCHANGE, and attaches to tables that are there', async () => {
    const repository = await bench.repository('old-replace')
    const { summary } = await bench.context(source, repository).backup()
    await target.run(
      'DROP TABLE IF EXISTS shop.latest',
      'CREATE DATABASE IF NOT EXISTS shop',
      'CREATE TABLE shop.latest (k UInt64, v UInt64) ENGINE = ReplacingMergeTree ORDER BY k',
    )
    await bench.context(target, repository).restore(summary, { tables: ['shop.latest'], mode: 'data' })
    expect(await target.rows('SELECT DISTINCT v FROM shop.latest FINAL')).toEqual([{ v: '3' }])
    await target.run('INSERT INTO shop.latest VALUES (99, 99)')
    const { tables } = await bench
      .context(target, repository)
      .restore(summary, { tables: ['shop.latest'], mode: 'replace' })
    expect(await target.value('SELECT max(k) FROM shop.latest')).toBe('9')
    expect(await target.value(`SELECT max(k) FROM shop.${tables[0]?.kept?.name}`)).toBe('99')
  })

  it('says its errors in its own old way, and they are understood', async () => {
    const repository = await bench.repository('old-errors')
    await expect(source.rows('SELECT * FROM nowhere.x')).rejects.toMatchObject({
      code: 'ENGINE_REFUSED',
      detail: { clickhouse: 81 },
    })
    await expect(source.rows('SELEC')).rejects.toMatchObject({ detail: { clickhouse: 62 } })
    await expect(
      source.rows('SELECT throwIf(number = 3000000) FROM system.numbers LIMIT 4000000'),
    ).rejects.toMatchObject({ detail: { clickhouse: 395 } })
    await source.run('CREATE TABLE shop.log (k UInt8) ENGINE = TinyLog')
    const { findings } = await bench.context(source, repository).backup()
    expect(messages(findings, 'incomplete')).toEqual([expect.stringMatching(/^shop\.log: engine TinyLog/)])
  })

  it('gives and takes the rows of tables without parts', async () => {
    const repository = await bench.repository('old-rows')
    await source.run(
      'CREATE TABLE shop.lines (k UInt64, v String) ENGINE = StripeLog',
      'INSERT INTO shop.lines SELECT number, toString(number) FROM system.numbers LIMIT 1000',
    )
    const tables = ['shop.lines', 'shop.latest']
    const { summary } = await bench.context(source, repository).backup({ tables, nonMergeTree: true })
    const { findings } = await bench
      .context(target, repository)
      .restore(summary, { tables: ['shop.lines'], as: { database: 'rows' } })
    expect(findings).toEqual([])
    const sum = (engine: TestEngine, table: string) => engine.rows(`SELECT sum(cityHash64(k, v)) AS h FROM ${table}`)
    expect(await sum(target, 'rows.lines')).toEqual(await sum(source, 'shop.lines'))
  })
})
