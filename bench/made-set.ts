import { randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { sql } from '../src/core/sql.ts'
import { embeddedEngine } from '../src/engine/embedded.ts'
import type { Engine } from '../src/engine/engine.ts'
import type { DataSet } from './data-sets.ts'
import { nativeConfig } from './native-config.ts'
import type { Place } from './peers.ts'

/** A data set in a ClickHouse of its own; dispose of the engine to end that. */
export interface MadeSet {
  readonly engine: Engine
  /** Its data directory, below which `backups` is where its BACKUP puts them. */
  readonly path: string
  readonly running: Place['engine']
  readonly bytes: number
  readonly parts: number
}

/** Make a data set below a directory. */
export async function madeSet(home: string, set: DataSet): Promise<MadeSet> {
  const path = join(home, set.name)
  const config = join(home, `${set.name}.xml`)
  writeFileSync(config, nativeConfig(join(path, 'backups')))
  const engine = await embeddedEngine({ path, config, random: randomBytes })
  process.stderr.write(`${set.title}: making the data\n`)
  for (const statement of set.make) await engine.command(statement)
  const [row] = await engine.query(
    sql`SELECT sum(bytes_on_disk) AS bytes, count() AS parts FROM system.parts WHERE database = ${set.database} AND active`,
  )
  const running = JSON.parse(readFileSync(join(path, '.permafrost', 'engine.json'), 'utf8')) as Place['engine']
  return { engine, path, running, bytes: Number(row?.['bytes']), parts: Number(row?.['parts']) }
}
