import { sql } from '../core/sql.ts'
import type { TableName } from '../core/sql.ts'
import { keyOf, readCatalog } from './catalog.ts'
import type { Table } from './catalog.ts'
import { CLICKHOUSE, isClickHouse } from './clickhouse-error.ts'
import type { Engine } from './engine.ts'

/** Only ours begin like this; a table's own name may fill all of the 255 bytes that a file name has. */
const PREFIX = 'permafrost_restore_'

/**
 * The table that a restore fills before it gets its name. The name is derived from what is restored, so that a restore that
 * was killed finds its own again.
 */
export function scratchName(database: string, key: string): TableName {
  return { database, name: PREFIX + key }
}

/** The catalogue's entry of one table; nothing when there is none. */
export async function findTable(engine: Engine, name: TableName): Promise<Table | undefined> {
  const tables = await readCatalog(engine, await engine.describe())
  return tables.find((table) => keyOf(table) === keyOf(name))
}

/** The scratch table of a restore that was killed, if there is one; a killed restore may leave it detached. */
export async function findScratch(engine: Engine, scratch: TableName): Promise<Table | undefined> {
  return (
    (await findTable(engine, scratch)) ?? ((await tryAttach(engine, scratch)) ? findTable(engine, scratch) : undefined)
  )
}

async function tryAttach(engine: Engine, table: TableName): Promise<boolean> {
  try {
    await engine.command(sql`ATTACH TABLE ${table}`)
    return true
  } catch {
    // There is none: servers of different age say so with different codes.
    return false
  }
}

/** Take a table out of the server, but not from its disks, and wait until nobody reads it any more. */
export async function detachTable(engine: Engine, table: TableName): Promise<void> {
  try {
    await engine.command(sql`DETACH TABLE ${table} SYNC`)
  } catch (error) {
    if (!isClickHouse(error, CLICKHOUSE.SYNTAX_ERROR)) throw error
    await engine.command(sql`DETACH TABLE ${table}`)
  }
}

/** Take a table out of the server until it is attached by hand. Old servers bring it back when they start. */
export async function detachForGood(engine: Engine, table: TableName): Promise<void> {
  try {
    await engine.command(sql`DETACH TABLE ${table} PERMANENTLY`)
  } catch (error) {
    if (!isClickHouse(error, CLICKHOUSE.SYNTAX_ERROR)) throw error
    await engine.command(sql`DETACH TABLE ${table}`)
  }
}

export async function attachTable(engine: Engine, table: TableName): Promise<void> {
  await engine.command(sql`ATTACH TABLE ${table}`)
}

/** Drop a table of ours at once. Its name must be a scratch's: nothing else is ever dropped. */
export async function dropScratch(engine: Engine, table: TableName): Promise<void> {
  if (!table.name.startsWith(PREFIX)) throw new Error(`${table.name} is not a scratch table`)
  try {
    await engine.command(sql`DROP TABLE IF EXISTS ${table} SYNC`)
  } catch (error) {
    if (!isClickHouse(error, CLICKHOUSE.SYNTAX_ERROR)) throw error
    await engine.command(sql`DROP TABLE IF EXISTS ${table}`)
  }
}

/**
 * Give the scratch table its name.
 *
 * @throws ENGINE_REFUSED when somebody made a table of that name meanwhile
 */
export async function renameTable(engine: Engine, from: TableName, to: TableName): Promise<void> {
  await engine.command(sql`RENAME TABLE ${from} TO ${to}`)
}

/**
 * The scratch table takes the name of the one that is there, which stays as `kept`. In an Atomic database it is first renamed to
 * `kept` and then exchanged, so that no query sees neither table and the scratch's own name never holds anybody else's rows:
 * whatever has that name may be dropped. Elsewhere one RENAME does both.
 */
export async function swapTables(
  engine: Engine,
  scratch: TableName,
  { target, kept, atomic }: { readonly target: TableName; readonly kept: TableName; readonly atomic: boolean },
): Promise<void> {
  if (atomic) {
    await renameTable(engine, scratch, kept)
    await engine.command(sql`EXCHANGE TABLES ${kept} AND ${target}`)
  } else await engine.command(sql`RENAME TABLE ${target} TO ${kept}, ${scratch} TO ${target}`)
}

/** A name for the table that was replaced: `events_replaced`, `events_replaced_2`, … */
export function keptName(target: TableName, taken: ReadonlySet<string>): TableName {
  // Escaped, a name may take 255 bytes with its ending; a long one is cut.
  const base = encodeURIComponent(target.name).length > 180 ? 'permafrost' : target.name
  for (let number = 1; ; number++) {
    const name = `${base}_replaced${number === 1 ? '' : `_${number}`}`
    if (!taken.has(name)) return { database: target.database, name }
  }
}
