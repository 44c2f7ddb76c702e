import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { identifier, sql, trusted } from '../../src/core/sql.ts'
import type { TableName } from '../../src/core/sql.ts'
import type { Suite } from '../../src/repository/seal.ts'
import { fingerprint, partList, workbench } from '../helpers/workbench.ts'
import type { TestEngine, Workbench } from '../helpers/workbench.ts'

// The corner cases of clickhouse-backup's integration tests (its issues 331, 1091, 1151), and worse ones of our own.
const DATABASES = [
  '_test#$.ДБ_atomic_/issue\\_1091',
  '_issue331._atomic_/issue\\_1091',
  'db\\db2/db3',
  'database-1',
  'a`b',
  "it's",
  'say "hi"',
  '..',
  '.',
  'tab\there',
  'line\nbreak',
  '%41',
  '🧊 ice',
  '*',
  '?!',
  '`',
  "';DROP DATABASE x;--",
]
const TABLES = [
  '.inner_table1',
  '2. Таблица №2',
  '-table-$-',
  'z\\z2/z3',
  'jbod#$_table',
  "quo'te",
  'back`tick',
  'dou"ble',
  'sp ace',
  'dot.dot',
  '..',
  '/',
  '\\',
  '$x',
  '{uuid}',
  '%2E%2E',
  'new\nline',
  'ünïcødé',
  'x'.repeat(200),
  'shadow',
  'detached',
  '*',
  '[a-z]',
  '\u001b[31mred',
]
const COLUMNS = [
  '_test#$.ДБ/issue\\_1091',
  'back`tick',
  "quo'te",
  'dou"ble',
  'sp ace',
  'dot.dot',
  '/',
  '\\',
  '$1',
  '日本語',
  'new\nline',
  'c'.repeat(200),
  '%2F',
  '-',
  'data',
]
const PARTITIONS = [
  'a b',
  'a.b',
  'a/b',
  'a\\b',
  'a`b',
  "a'b",
  'a"b',
  '$',
  '#',
  'ü',
  '..',
  '',
  '-1',
  '_',
  '1_1_1_0',
  'p'.repeat(200),
]

let bench: Workbench
let count = 0
let source: TestEngine
let target: TestEngine

beforeAll(async () => {
  bench = await workbench()
  source = await bench.engine('source')
  target = await bench.engine('target')
})
afterAll(() => bench[Symbol.asyncDispose]())

async function makeTable(table: TableName, columns = ['v']): Promise<void> {
  const list = columns.map((name) => sql`${identifier(name)} String`).reduce((all, one) => sql`${all}, ${one}`)
  await source.command(
    sql`CREATE TABLE ${table} (p String, k UInt64, ${list}) ENGINE = MergeTree PARTITION BY p ORDER BY k`,
  )
}

async function fill(table: TableName, partition: string): Promise<void> {
  const columns = await source.query(
    sql`SELECT name FROM system.columns WHERE database = ${table.database} AND table = ${table.name} AND name NOT IN ('p', 'k')`,
  )
  const values = columns.map(() => sql`toString(number)`).reduce((all, one) => sql`${all}, ${one}`)
  await source.command(sql`INSERT INTO ${table} SELECT ${partition}, number, ${values} FROM numbers(20)`)
}

/** The CREATE statement, and the engine of the database. */
async function definition(engine: TestEngine, { database, name }: TableName) {
  return engine.query(
    sql`SELECT create_table_query, (SELECT engine FROM system.databases WHERE name = ${database}) AS of FROM system.tables WHERE database = ${database} AND name = ${name}`,
  )
}

/** Back up, restore into an empty engine, compare names, parts and columns. */
async function survives(tables: readonly TableName[], suite: Suite = 'aes-256-gcm'): Promise<void> {
  const repository = await bench.repository(`names-${count++}`, { suite })
  const { summary, findings } = await bench.context(source, repository).backup()
  expect(findings).toEqual([])
  await bench.context(target, repository).restore(summary)
  for (const table of tables) {
    const print = await fingerprint(source, table)
    expect(Number(print['rows'])).toBeGreaterThan(0)
    expect({ table, ...(await fingerprint(target, table)) }).toEqual({ table, ...print })
    expect({ table, parts: await partList(target, table) }).toEqual({ table, parts: await partList(source, table) })
    expect(await definition(target, table)).toEqual(await definition(source, table))
  }
  for (const engine of [source, target]) {
    for (const database of new Set(tables.map((table) => table.database)))
      await engine.command(sql`DROP DATABASE ${identifier(database)} SYNC`)
  }
}

describe('names survive', () => {
  it('of databases, each with a table of the same name', async () => {
    const tables = DATABASES.map((database) => ({ database, name: database }))
    for (const table of tables) {
      await source.command(sql`CREATE DATABASE ${identifier(table.database)}`)
      await makeTable(table, [table.name === 'k' ? 'v' : `c${table.name}`])
      await fill(table, 'one')
    }
    await survives(tables, 'none')
  })

  it('of databases with the Ordinary engine, whose names are directories', async () => {
    const tables = DATABASES.slice(0, 9).map((database) => ({ database, name: `${database}/t` }))
    for (const table of tables) {
      await source.command(sql`CREATE DATABASE ${identifier(table.database)} ENGINE = Ordinary`, {
        settings: { allow_deprecated_database_ordinary: 1 },
      })
      await makeTable(table)
      await fill(table, 'one')
    }
    await survives(tables)
  })

  it('of tables', async () => {
    const tables = TABLES.map((name) => ({ database: 'tables', name }))
    await source.command(sql`CREATE DATABASE tables`)
    for (const table of tables) {
      await makeTable(table)
      await fill(table, 'one')
    }
    await survives(tables)
  })

  it('of columns, whose names are files', async () => {
    const table = { database: 'columns', name: 'wide' }
    await source.command(sql`CREATE DATABASE columns`)
    await makeTable(table, COLUMNS)
    await source.command(sql`ALTER TABLE ${table} MODIFY SETTING min_bytes_for_wide_part = 0`)
    await fill(table, 'one')
    await survives([table])
  })

  it('of partitions, of every type that ClickHouse takes for a key', async () => {
    const table = { database: 'parts', name: 'by_string' }
    await source.command(sql`CREATE DATABASE parts`)
    await makeTable(table)
    for (const partition of PARTITIONS) await fill(table, partition)
    const others = [
      'Int32',
      'Date',
      'UUID',
      'LowCardinality(String)',
      'Tuple(Int8, String)',
      "Enum8('a b' = -1, 'ü' = 2)",
      'IPv4',
      'Bool',
    ].map((type, index) => ({ type, table: { database: 'parts', name: `by_${index}` } }))
    for (const { type, table: other } of others) {
      await source.command(
        sql`CREATE TABLE ${other} (p ${trusted(type)}, k UInt64) ENGINE = MergeTree PARTITION BY p ORDER BY k`,
      )
      await source.command(
        sql`INSERT INTO ${other} SELECT * FROM generateRandom(${`p ${type}, k UInt64`}, 1, 5) LIMIT 30 SETTINGS max_partitions_per_insert_block = 100`,
      )
    }
    await survives([table, ...others.map((other) => other.table)])
  })
})
