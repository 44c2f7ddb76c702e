import { createHash } from 'node:crypto'
import { sql } from '../core/sql.ts'
import type { TableName } from '../core/sql.ts'
import { text } from '../engine/engine.ts'
import type { Engine, ServerInfo } from '../engine/engine.ts'

/**
 * UUIDs for tables that are restored: the same in every run of a restore and on every replica, and those of no other table. One that
 * was restored before and dropped keeps its UUID for some minutes.
 */
export async function newUuids(
  engine: Pick<Engine, 'query'>,
  { can }: Pick<ServerInfo, 'can'>,
  backup: string,
): Promise<(name: TableName) => string> {
  const dropped = can.hasColumn('dropped_tables', 'uuid')
    ? await engine.query(sql`SELECT toString(uuid) AS uuid FROM system.dropped_tables`)
    : []
  const taken = new Set(dropped.map((row) => text(row, 'uuid')))
  return ({ database, name }) => {
    for (let attempt = 0; ; attempt++) {
      const uuid = uuidOf([backup, database, name, attempt])
      if (!taken.has(uuid)) return uuid
    }
  }
}

/** A UUID of version 8: out of a hash. */
function uuidOf(what: readonly (string | number)[]): string {
  const digits = createHash('sha256').update(JSON.stringify(what)).digest('hex')
  return digits.replace(/^(.{8})(.{4}).(.{3}).(.{3})(.{12}).*$/, '$1-$2-8$3-a$4-$5')
}
