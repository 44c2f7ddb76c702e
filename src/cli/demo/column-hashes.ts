import { identifier, join, sql } from '../../core/sql.ts'
import type { TableName } from '../../core/sql.ts'
import { text } from '../../engine/engine.ts'
import type { Engine } from '../../engine/engine.ts'

/** A hash of every column of a table, whatever the order of its rows, and their number. */
export type ColumnHashes = ReadonlyMap<string, string>

/** Hash each column by the engine: the sum of the hashes of its values, as text, over all rows. */
export async function columnHashes(engine: Engine, table: TableName): Promise<ColumnHashes> {
  const columns = await engine.query(
    sql`SELECT name FROM system.columns WHERE database = ${table.database} AND table = ${table.name} ORDER BY name`,
  )
  const names = columns.map((row) => text(row, 'name'))
  const hashes = names.map(
    (name, index) => sql`sum(cityHash64(ifNull(toString(${identifier(name)}), 'NULL'))) AS ${identifier(`h${index}`)}`,
  )
  const [row] = await engine.query(sql`SELECT count() AS rows, ${join(hashes)} FROM ${table}`)
  const value = (column: string): string => text(row ?? {}, column)
  return new Map([['count()', value('rows')], ...names.map((name, index) => [name, value(`h${index}`)] as const)])
}

/** The names of what differs. */
export function differences(a: ColumnHashes, b: ColumnHashes): readonly string[] {
  return [...new Set([...a.keys(), ...b.keys()])].filter((name) => a.get(name) !== b.get(name))
}
