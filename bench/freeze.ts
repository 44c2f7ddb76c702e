import { sql, trusted } from '../src/core/sql.ts'
import type { Engine } from '../src/engine/engine.ts'
import type { DataSet } from './data-sets.ts'

/** Freeze every table of the set at once, as Permafrost does it, below `shadow/bench`; the seconds that the server takes. */
export async function freeze(engine: Engine, set: DataSet): Promise<number> {
  await unfreeze(engine)
  const tables = await engine.query(sql`SELECT name FROM system.tables WHERE database = ${set.database}`)
  const begin = performance.now()
  await Promise.all(
    tables.map(({ name }) =>
      engine.command(sql`ALTER TABLE ${{ database: set.database, name: String(name) }} FREEZE WITH NAME 'bench'`),
    ),
  )
  return (performance.now() - begin) / 1000
}

export function unfreeze(engine: Engine): Promise<void> {
  return engine.command(trusted(`SYSTEM UNFREEZE WITH NAME 'bench'`))
}
