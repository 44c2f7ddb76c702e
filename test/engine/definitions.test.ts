import fc from 'fast-check'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { BackupSummary } from '../../src/core/manifest.ts'
import { rewriteCreate } from '../../src/core/rewrite-create.ts'
import { displayName, identifier, join as joinSql, sql } from '../../src/core/sql.ts'
import type { TableName } from '../../src/core/sql.ts'
import { prepareRestore } from '../../src/operations/restore.ts'
import { show } from '../../src/operations/show.ts'
import { parseSelector } from '../../src/core/selector.ts'
import type { Repository } from '../../src/repository/repository.ts'
import { messages, workbench } from '../helpers/workbench.ts'
import type { TestContext, TestEngine, Workbench } from '../helpers/workbench.ts'

let bench: Workbench
let source: TestEngine
let target: TestEngine
let repository: Repository
let from: BackupSummary
let ctx: TestContext

beforeAll(async () => {
  bench = await workbench()
  source = await bench.engine('source')
  target = await bench.engine('target')
  await source.run(
    'CREATE DATABASE p',
    'CREATE TABLE p.a (k UInt64, v String) ENGINE = MergeTree ORDER BY k',
    "INSERT INTO p.a SELECT number, 'x' FROM numbers(10)",
    // Names sort against what they need: a is needed by d, d by a_dict_user, and so on.
    "CREATE DICTIONARY p.d (k UInt64, v String) PRIMARY KEY k SOURCE(CLICKHOUSE(TABLE 'a' DB 'p' USER 'u' PASSWORD 'geheim')) LAYOUT(FLAT()) LIFETIME(0)",
    "CREATE TABLE p.a_dict_user (k UInt64, v String DEFAULT dictGet('p.d', 'v', k)) ENGINE = MergeTree ORDER BY k",
    'INSERT INTO p.a_dict_user SELECT number, toString(number) FROM numbers(5)',
    'CREATE VIEW p.z AS SELECT a.k AS k FROM p.a',
    'CREATE VIEW p.v AS SELECT k FROM p.z WHERE k IN (SELECT k FROM p.a_dict_user)',
    'CREATE MATERIALIZED VIEW p.inner_one (k UInt64) ENGINE = MergeTree ORDER BY k AS SELECT k FROM p.a',
    'INSERT INTO p.inner_one SELECT number FROM numbers(7)',
    'CREATE TABLE p.daily (k UInt64) ENGINE = MergeTree ORDER BY k',
    'CREATE MATERIALIZED VIEW p.refreshed REFRESH EVERY 1 YEAR TO p.daily EMPTY AS SELECT k FROM p.a',
    'INSERT INTO p.daily VALUES (42)',
    'CREATE MATERIALIZED VIEW p.refreshed_inner REFRESH EVERY 1 YEAR (k UInt64) ENGINE = MergeTree ORDER BY k EMPTY AS SELECT k FROM p.a',
    'CREATE TABLE p.buffer AS p.a ENGINE = Buffer(p, a, 1, 10, 100, 10, 100, 10000, 100000)',
    "CREATE TABLE p.merged AS p.a ENGINE = Merge('p', '^a$')",
    'CREATE TABLE p.nothing (k UInt64) ENGINE = Null',
    "CREATE TABLE p.queue (k UInt64) ENGINE = Kafka SETTINGS kafka_broker_list = '127.0.0.1:1', kafka_topic_list = 't', kafka_group_name = 'group1', kafka_format = 'JSONEachRow'",
    'CREATE TABLE p.out (k UInt64, _offset UInt64, _partition UInt64) ENGINE = MergeTree ORDER BY k',
    'INSERT INTO p.out SELECT number, number * 10, number % 2 FROM numbers(4)',
    'CREATE MATERIALIZED VIEW p.queue_mv TO p.out AS SELECT k, _offset, _partition FROM p.queue',
  )
  repository = await bench.repository('repository')
  from = (await bench.context(source, repository).backup({ tables: ['p.*'] })).summary
  ctx = bench.context(target, repository)
})
afterAll(async () => {
  await source.run('DROP TABLE p.queue SYNC')
  await bench[Symbol.asyncDispose]()
})
beforeEach(async () => {
  for (const database of ['p', 'q', 'r']) await target.run(`DROP DATABASE IF EXISTS ${database} SYNC`)
})

const count = (table: string) => target.value(`SELECT count() FROM ${table}`)
const names = async (database: string) =>
  (await target.rows(`SELECT name FROM system.tables WHERE database = '${database}' ORDER BY name`)).map(
    (row) => row['name'],
  )
const prepare = (tables: readonly string[], wish = {}) =>
  prepareRestore(ctx, { backup: from, selector: parseSelector(tables), partitions: [], wish: { mode: 'all', ...wish } })

describe('what holds no rows', () => {
  it('is shown beside the tables, with its statements when they are wanted', async () => {
    const shown = (tables: readonly string[], schema: boolean) =>
      show(repository, { backup: from, selector: parseSelector(tables), detail: 'tables', schema })
    const all = await shown([], false)
    expect(all.definitions).toContainEqual({ kind: 'View', name: 'p.v' })
    expect(all.definitions).toContainEqual({ kind: 'Kafka', name: 'p.queue' })
    expect(await shown(['p.z'], true)).toMatchObject({
      tables: [],
      definitions: [{ kind: 'View', name: 'p.z', statements: [expect.stringContaining('CREATE VIEW p.z')] }],
    })
    await expect(shown(['p.zz'], true)).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })

  it('comes back in an order in which each finds what it needs', async () => {
    const prepared = await prepare([])
    const order = prepared.plan.steps.map(({ target: { name } }) => name.replace(/^\.inner_id\..*/, '.inner'))
    const before = (one: string, other: string) => order.indexOf(one) < order.indexOf(other)
    expect([
      before('a', 'd'),
      before('d', 'a_dict_user'),
      before('z', 'v'),
      before('v', 'queue'),
      before('queue', 'queue_mv'),
      before('.inner', 'inner_one'),
    ]).toEqual([true, true, true, true, true, true])
    const { findings } = await prepared.run()
    expect(messages(findings, 'incomplete')).toEqual([])
    expect(await count('p.v')).toBe('5')
  })

  it('keeps the rows of a view without TO, and goes on filling it', async () => {
    await ctx.restore(from, { as: { database: 'q' } })
    expect(await count('q.inner_one')).toBe('7')
    await target.run("INSERT INTO q.a VALUES (77, 'new')")
    expect(await target.value('SELECT max(k) FROM q.inner_one')).toBe('77')
    expect(await target.value("SELECT count(DISTINCT uuid) = count() FROM system.tables WHERE database = 'q'")).toBe(
      '1',
    )
  })

  it('does not refresh what is refreshed by the clock over what was restored', async () => {
    await ctx.restore(from)
    expect(await target.rows('SELECT k FROM p.daily')).toEqual([{ k: '42' }])
    expect(await target.value("SELECT last_success_time FROM system.view_refreshes WHERE view = 'refreshed'")).toBe(
      'null',
    )
  })

  it('stays when it is there and the same, and is a conflict when it is not', async () => {
    await ctx.restore(from, { tables: ['p.a', 'p.z'] })
    const { plan } = await prepare(['p.z'])
    expect(plan.steps.map(({ action }) => action)).toEqual(['keep'])
    await target.run('CREATE OR REPLACE VIEW p.z AS SELECT k + 1 AS k FROM p.a')
    await expect(prepare(['p.z'])).rejects.toMatchObject({ code: 'CONFLICT', message: expect.stringContaining('p.z') })
  })

  it('is refused when something that it needs is nowhere, before anything is made', async () => {
    await expect(ctx.restore(from, { tables: ['p.v'] })).rejects.toMatchObject({
      code: 'CONFLICT',
      message: 'p.v needs p.z, which is neither in the restore nor on the server, and 1 more',
    })
    expect(await target.rows("SELECT name FROM system.databases WHERE name = 'p'")).toEqual([])
  })

  it('never brings a password into a repository that is not encrypted', async () => {
    const open = bench.context(source, await bench.repository('open', { suite: 'none' }))
    await open.backup({ tables: ['p.d', 'p.a'] })
    expect(open.events).toContainEqual(
      expect.objectContaining({ object: 'p.d', hint: 'only an encrypted repository takes passwords' }),
    )
  })
})

describe('queues', () => {
  it('are made and detached, unless something else is wished: nothing consumes', async () => {
    const { plan } = await ctx.restore(from)
    expect(plan.steps.find(({ target: { name } }) => name === 'queue')?.action).toBe('define-detached')
    expect(await names('p')).not.toContain('queue')
    expect(await names('p')).toContain('queue_mv')
    await target.run('ATTACH TABLE p.queue')
    expect(await target.value("SELECT create_table_query FROM system.tables WHERE name = 'queue'")).toContain(
      "'group1'",
    )
    await target.run('DROP TABLE p.queue SYNC')
  })

  it('are left out with their views, and say so', async () => {
    const { plan } = await ctx.restore(from, { queues: 'skip' })
    expect(plan.leftOut.map(({ object, reason }) => `${displayName(object)}: ${reason}`)).toEqual([
      'p.queue: a queue, and --queues is skip',
      'p.queue_mv: p.queue_mv needs p.queue, which is left out',
    ])
    expect((await names('p')).filter((name) => String(name).startsWith('queue'))).toEqual([])
  })

  it('read in a group of another name', async () => {
    await ctx.restore(from, { queues: { group: 'drill' } })
    expect(await target.value("SELECT create_table_query FROM system.tables WHERE name = 'queue'")).toContain("'drill'")
    await target.run('DROP TABLE p.queue SYNC')
  })

  it('come with the offsets that their tables had', async () => {
    const { plan } = await prepare([])
    expect(plan.offsets).toEqual([
      { queue: { database: 'p', name: 'queue' }, table: { database: 'p', name: 'out' }, partition: '0', offset: '20' },
      { queue: { database: 'p', name: 'queue' }, table: { database: 'p', name: 'out' }, partition: '1', offset: '30' },
    ])
  })
})

describe('renaming', () => {
  it('takes many names at once, and references follow', async () => {
    await ctx.restore(from, {
      as: { database: 'q' },
      renames: [
        { from: { database: 'p', name: 'a' }, to: { database: 'r', name: 'b' } },
        { from: { database: 'p', name: 'z' }, to: { database: 'r', name: 'y' } },
      ],
    })
    expect(await count('q.v')).toBe('5')
    const all = await target.rows("SELECT create_table_query AS c FROM system.tables WHERE database IN ('q', 'r')")
    expect(JSON.stringify(all)).not.toMatch(/\bp\./)
    await target.run("INSERT INTO q.buffer VALUES (99, 'x')", 'OPTIMIZE TABLE q.buffer')
    expect(await target.value('SELECT max(k) FROM r.b')).toBe('99')
  })

  it('refuses one name for two tables', async () => {
    const renames = [{ from: { database: 'p', name: 'a' }, to: { database: 'p', name: 'daily' } }]
    await expect(ctx.restore(from, { renames })).rejects.toMatchObject({ code: 'USAGE' })
  })
})

describe('a rewritten statement', () => {
  const name = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 }).filter((text) => !text.includes('\0'))
  const table = fc.record({ database: name, name })
  const TEMPLATES: readonly ((a: TableName, b: TableName) => string)[] = [
    (a, b) => sql`CREATE VIEW ${a} AS SELECT ${b}.k, x.* FROM ${b} AS x WHERE k IN (${b})`.text,
    (a, b) =>
      sql`CREATE MATERIALIZED VIEW ${a} TO ${b} (${identifier(a.name)} UInt8) AS WITH c AS (SELECT 1 FROM ${b}) SELECT dictGet(${`${b.database}.${b.name}`}, 'v', 1) FROM c, ${b} FINAL`
        .text,
    (a, b) =>
      sql`CREATE TABLE ${a} (${identifier(b.name)} UInt8 DEFAULT 1 COMMENT ${b.name}) ENGINE = Distributed(${a.name}, ${b.database}, ${b.name}, rand())`
        .text,
    (a, b) =>
      sql`CREATE DICTIONARY ${a} (k UInt64) PRIMARY KEY k SOURCE(CLICKHOUSE(QUERY ${sql`SELECT k FROM ${b}`.text})) LAYOUT(FLAT())`
        .text,
    (a, b) =>
      sql`CREATE TABLE ${a} (k UInt8) ENGINE = ReplicatedMergeTree(${b.name}, ${a.name}) ORDER BY k COMMENT ${b.database}`
        .text,
  ]

  it('is read by ClickHouse, whatever the names are', async () => {
    const statements = fc.tuple(fc.constantFrom(...TEMPLATES), table, table, table).map(([template, a, b, to]) => {
      const renaming = { table: () => to, database: () => to.database }
      return rewriteCreate(template(a, b), {
        renaming,
        from: a,
        to,
        replicaPath: '/{shard}/{table}',
        plain: a.name < b.name,
      })
    })
    const all = joinSql(fc.sample(statements, 400))
    const rows = await target.query(
      sql`SELECT arrayFilter(statement -> isNull(formatQueryOrNull(statement)), [${all}]) AS bad`,
    )
    expect(rows).toEqual([{ bad: [] }])
  })
})
