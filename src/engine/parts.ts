import { sql } from '../core/sql.ts'
import { keyOf } from './catalog.ts'
import { number, text } from './engine.ts'
import type { Engine, ServerInfo } from './engine.ts'

/** A part as `system.parts` has it. */
export interface ServerPart {
  readonly name: string
  readonly partition: string
  readonly active: boolean
  readonly rows: number
  readonly bytes: number
  /** Absent on servers that do not have the column. */
  readonly hash: string | undefined
  readonly disk: string
}

/** Parts by table ({@link keyOf}), then by name. Parts that were merged away stay in the list for some minutes. */
export type ServerParts = ReadonlyMap<string, ReadonlyMap<string, ServerPart>>

/** What `system.parts` has, of these databases. */
export async function readServerParts(
  engine: Pick<Engine, 'query'>,
  { can }: Pick<ServerInfo, 'can'>,
  databases: readonly string[],
): Promise<ServerParts> {
  if (databases.length === 0) return new Map()
  const hash = can.hasColumn('parts', 'hash_of_all_files') ? sql`hash_of_all_files` : sql`''`
  const disk = can.hasColumn('parts', 'disk_name') ? sql`disk_name` : sql`'default'`
  const partition = can.hasColumn('parts', 'partition_id') ? sql`partition_id` : sql`partition`
  const rows = await engine.query(
    sql`SELECT database, table, name, ${partition} AS part_of, active, rows, bytes_on_disk, ${hash} AS hash, ${disk} AS lies_on
        FROM system.parts WHERE database IN ${[...new Set(databases)]}`,
  )
  const found = new Map<string, Map<string, ServerPart>>()
  for (const row of rows) {
    const key = keyOf({ database: text(row, 'database'), name: text(row, 'table') })
    const parts = found.get(key) ?? new Map<string, ServerPart>()
    const name = text(row, 'name')
    parts.set(name, {
      name,
      partition: text(row, 'part_of'),
      active: number(row, 'active') === 1,
      rows: number(row, 'rows'),
      bytes: number(row, 'bytes_on_disk'),
      hash: text(row, 'hash') || undefined,
      disk: text(row, 'lies_on'),
    })
    found.set(key, parts)
  }
  return found
}
