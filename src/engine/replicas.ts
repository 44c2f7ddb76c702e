import type { ReplicaPath } from '../core/engine-edits.ts'
import { PermafrostError } from '../core/errors.ts'
import { sql } from '../core/sql.ts'
import type { TableName } from '../core/sql.ts'
import { CLICKHOUSE, isClickHouse } from './clickhouse-error.ts'
import { text } from './engine.ts'
import type { Engine, ServerInfo } from './engine.ts'

/** A replicated table of this server, and where its replicas meet. */
export interface TableAtPath extends TableName {
  readonly path: string
}

/** What stands for `{shard}` and the like in paths. */
export async function readMacros(
  engine: Pick<Engine, 'query'>,
  { can }: Pick<ServerInfo, 'can'>,
): Promise<ReadonlyMap<string, string>> {
  if (!can.hasTable('macros')) return new Map()
  const rows = await engine.query(sql`SELECT macro, substitution FROM system.macros`)
  return new Map(rows.map((row) => [text(row, 'macro'), text(row, 'substitution')]))
}

export async function readReplicaPaths(engine: Pick<Engine, 'query'>): Promise<readonly TableAtPath[]> {
  const rows = await engine.query(sql`SELECT database, table, zookeeper_path FROM system.replicas`)
  return rows.map((row) => ({
    database: text(row, 'database'),
    name: text(row, 'table'),
    path: text(row, 'zookeeper_path'),
  }))
}

/** Names of the replicas that ZooKeeper knows at a path, alive or not. */
export async function replicasAt(engine: Pick<Engine, 'query'>, path: string): Promise<readonly string[]> {
  try {
    const rows = await engine.query(sql`SELECT name FROM system.zookeeper WHERE path = ${`${path}/replicas`}`)
    return rows.map((row) => text(row, 'name'))
  } catch (error) {
    if (isClickHouse(error, CLICKHOUSE.KEEPER_EXCEPTION) && /no node/i.test(error.message)) return []
    throw error
  }
}

/** Remove a replica from ZooKeeper that no server has any more. */
export async function dropReplica(engine: Pick<Engine, 'command'>, { path, replica }: ReplicaPath): Promise<void> {
  try {
    await engine.command(sql`SYSTEM DROP REPLICA ${replica} FROM ZKPATH ${path}`)
  } catch (error) {
    if (!isClickHouse(error, CLICKHOUSE.SYNTAX_ERROR)) throw error
    throw new PermafrostError('ENGINE_REFUSED', 'this ClickHouse is too old to remove a replica from ZooKeeper', {
      hint: `remove it with ZooKeeper’s own client:  zkCli.sh deleteall ${path}/replicas/${replica}`,
      cause: error,
    })
  }
}
