import { sql } from '../core/sql.ts'
import { CLICKHOUSE, isClickHouse } from './clickhouse-error.ts'
import { number, text } from './engine.ts'
import type { Capabilities, Engine, ServerDisk, ServerInfo } from './engine.ts'

type Queries = Pick<Engine, 'query' | 'location'>

/**
 * What the server is and can do, in short queries of its system tables, all at once.
 *
 * @param mapping where this machine sees a disk, by its name
 */
export async function describeServer(engine: Queries, mapping: Readonly<Record<string, string>>): Promise<ServerInfo> {
  const [can, [server], uuid, disks] = await Promise.all([
    readCapabilities(engine),
    engine.query(sql`SELECT version() AS version, hostName() AS host`),
    readIdentity(engine),
    readDisks(engine, mapping),
  ])
  if (!server) throw new TypeError('no answer to SELECT version()')
  const host = text(server, 'host')
  return { version: text(server, 'version'), host, id: uuid ?? host, disks, can }
}

async function readCapabilities(engine: Queries): Promise<Capabilities> {
  const [columns, settings] = await Promise.all([
    engine.query(sql`SELECT table, name FROM system.columns WHERE database = 'system'`),
    engine.query(sql`SELECT name FROM system.settings`),
  ])
  const known = new Set(columns.map((row) => `${text(row, 'table')}.${text(row, 'name')}`))
  const tables = new Set(columns.map((row) => text(row, 'table')))
  const settingNames = new Set(settings.map((row) => text(row, 'name')))
  return {
    hasTable: (name) => tables.has(name),
    hasColumn: (table, column) => known.has(`${table}.${column}`),
    hasSetting: (name) => settingNames.has(name),
  }
}

/** Servers before 21.10 have none; `clickhouse local`, and so the embedded engine, has one of zeros. */
async function readIdentity(engine: Queries): Promise<string | undefined> {
  const rows = await ifKnown(engine.query(sql`SELECT toString(serverUUID()) AS uuid`), CLICKHOUSE.UNKNOWN_FUNCTION)
  const uuid = rows?.[0] ? text(rows[0], 'uuid') : ''
  return /[1-9a-f]/.test(uuid) ? uuid : undefined
}

async function readDisks(engine: Queries, mapping: Readonly<Record<string, string>>): Promise<readonly ServerDisk[]> {
  const rows = await ifKnown(engine.query(sql`SELECT * FROM system.disks`), CLICKHOUSE.UNKNOWN_TABLE)
  if (!rows) return guessDisk(engine, mapping)
  return rows.map((row) => {
    const name = text(row, 'name')
    const path = withSlash(text(row, 'path'))
    return {
      name,
      path,
      local: withSlash(mapping[name] ?? path),
      type: String(row['type'] ?? 'local').toLowerCase() === 'local' ? 'local' : 'object',
      encrypted: Number(row['is_encrypted'] ?? 0) === 1,
      freeBytes: number(row, 'free_space'),
    }
  })
}

async function ifKnown<T>(work: Promise<T>, code: number): Promise<T | undefined> {
  try {
    return await work
  } catch (error) {
    if (isClickHouse(error, code)) return undefined
    throw error
  }
}

/** Servers before 19.15 have one disk and no table of disks; its path shows in those of databases: `<path>data/<database>/`. */
async function guessDisk(engine: Queries, mapping: Readonly<Record<string, string>>): Promise<readonly ServerDisk[]> {
  const rows = await engine.query(sql`SELECT data_path FROM system.databases WHERE data_path LIKE '%/data/%'`)
  const [root = '/var/lib/clickhouse'] = rows.map((row) => text(row, 'data_path').replace(/data\/[^/]+\/$/, ''))
  const path = withSlash(root)
  const local = withSlash(mapping['default'] ?? path)
  return [{ name: 'default', path, local, type: 'local', encrypted: false, freeBytes: Number.MAX_SAFE_INTEGER }]
}

function withSlash(path: string): string {
  return path.endsWith('/') ? path : `${path}/`
}
