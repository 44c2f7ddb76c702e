import { identifier, join, sql } from '../core/sql.ts'
import type { Sql, TableName } from '../core/sql.ts'
import type { Column, DatabaseEntry, TableSchema } from '../core/manifest.ts'
import { number, text } from './engine.ts'
import type { Engine, Row, ServerInfo } from './engine.ts'

/** A table as the catalogue has it. */
export interface Table extends TableName {
  /** Absent in databases that have none. */
  readonly uuid: string | undefined
  readonly engine: string
  /** Directories of its data, one for each disk of its policy, as the server has them. */
  readonly paths: readonly string[]
  readonly storagePolicy: string
  /** Bytes that the engine holds, where it knows; of a Buffer, without its destination. */
  readonly totalBytes: number | undefined
  readonly schema: TableSchema
}

const NO_UUID = '00000000-0000-0000-0000-000000000000'

/** Does FREEZE cover this table's data? */
export function isMergeTree(table: Pick<Table, 'engine'>): boolean {
  return table.engine.endsWith('MergeTree')
}

/** Every table of the server, with what its definition says. Temporary tables belong to a session and are left out. */
export async function readCatalog(
  engine: Pick<Engine, 'query'>,
  { can }: Pick<ServerInfo, 'can'>,
): Promise<readonly Table[]> {
  const optional = (column: string, otherwise: Sql): Sql => {
    const name = identifier(column)
    return can.hasColumn('tables', column) ? sql`${name}` : sql`${otherwise} AS ${name}`
  }
  const columns = [
    sql`database`,
    sql`name`,
    sql`engine`,
    sql`create_table_query`,
    optional('uuid', sql`''`),
    can.hasColumn('tables', 'data_paths') ? sql`data_paths` : sql`[data_path] AS data_paths`,
    optional('storage_policy', sql`''`),
    optional('total_bytes', sql`NULL`),
    optional('partition_key', sql`''`),
    optional('sorting_key', sql`''`),
    optional('primary_key', sql`''`),
    optional('sampling_key', sql`''`),
  ]
  const [tables, columnsOf] = await Promise.all([
    engine.query(sql`SELECT ${join(columns)} FROM system.tables WHERE NOT is_temporary AND database != 'system'`),
    readColumns(engine, can),
  ])
  return tables.map((row) => toTable(row, columnsOf))
}

/** The databases, with how to make them again. */
export async function readDatabases(engine: Pick<Engine, 'query'>): Promise<readonly DatabaseEntry[]> {
  const rows = await engine.query(
    sql`SELECT name, engine FROM system.databases WHERE name NOT IN ('system', 'INFORMATION_SCHEMA', 'information_schema')`,
  )
  return Promise.all(
    rows.map(async (row) => {
      const name = text(row, 'name')
      const [shown] = await engine.query(sql`SHOW CREATE DATABASE ${identifier(name)}`)
      return { name, engine: text(row, 'engine'), create: String(Object.values(shown ?? {})[0] ?? '') }
    }),
  )
}

type ColumnsOf = (table: TableName) => readonly Column[]

async function readColumns(engine: Pick<Engine, 'query'>, can: ServerInfo['can']): Promise<ColumnsOf> {
  const order = can.hasColumn('columns', 'position') ? sql` ORDER BY database, table, position` : sql``
  const rows = await engine.query(
    sql`SELECT database, table, name, type FROM system.columns WHERE database != 'system'${order}`,
  )
  const found = new Map<string, Column[]>()
  for (const row of rows) {
    const key = keyOf({ database: text(row, 'database'), name: text(row, 'table') })
    const columns = found.get(key) ?? []
    columns.push({ name: text(row, 'name'), type: text(row, 'type') })
    found.set(key, columns)
  }
  return (table) => found.get(keyOf(table)) ?? []
}

function toTable(row: Row, columnsOf: ColumnsOf): Table {
  const name = { database: text(row, 'database'), name: text(row, 'name') }
  const uuid = text(row, 'uuid')
  const paths = row['data_paths']
  return {
    ...name,
    uuid: uuid === '' || uuid === NO_UUID ? undefined : uuid,
    engine: text(row, 'engine'),
    paths: Array.isArray(paths) ? paths.map(String).filter((path) => path !== '') : [],
    storagePolicy: text(row, 'storage_policy'),
    totalBytes: row['total_bytes'] === null ? undefined : number(row, 'total_bytes'),
    schema: {
      create: text(row, 'create_table_query'),
      columns: columnsOf(name),
      partitionKey: text(row, 'partition_key'),
      sortingKey: text(row, 'sorting_key'),
      primaryKey: text(row, 'primary_key'),
      samplingKey: text(row, 'sampling_key'),
    },
  }
}

/** A table's name as a key of a map: no other name gives the same. */
export function keyOf(table: TableName): string {
  return JSON.stringify([table.database, table.name])
}
