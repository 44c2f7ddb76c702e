import { sql } from '../core/sql.ts'
import type { Sql } from '../core/sql.ts'
import { number, text } from './engine.ts'
import type { Capabilities, Engine, Row, ServerDisk, ServerInfo } from './engine.ts'

type Queries = Pick<Engine, 'query' | 'location'>

/**
 * What the server is and can do, in four short queries of its system tables.
 *
 * @param mapping where this machine sees a disk, by its name
 */
export async function describeServer(engine: Queries, mapping: Readonly<Record<string, string>>): Promise<ServerInfo> {
  const can = await readCapabilities(engine)
  const uuid = can.hasFunction('serverUUID') ? sql`toString(serverUUID())` : sql`''`
  const [server] = await engine.query(sql`SELECT version() AS version, hostName() AS host, ${uuid} AS uuid`)
  if (!server) throw new TypeError('no answer to SELECT version()')
  const host = text(server, 'host')
  return {
    version: text(server, 'version'),
    host,
    // clickhouse local, and so the embedded engine, has no identity of its own.
    id: /[1-9a-f]/.test(text(server, 'uuid')) ? text(server, 'uuid') : host,
    disks: can.hasTable('disks') ? await readDisks(engine, { can, mapping }) : await guessDisk(engine, mapping),
    can,
  }
}

async function readCapabilities(engine: Queries): Promise<Capabilities & { hasFunction(name: string): boolean }> {
  const [columns, settings, functions] = await Promise.all([
    engine.query(sql`SELECT table, name FROM system.columns WHERE database = 'system'`),
    engine.query(sql`SELECT name FROM system.settings`),
    engine.query(sql`SELECT name FROM system.functions`),
  ])
  const known = new Set(columns.map((row) => `${text(row, 'table')}.${text(row, 'name')}`))
  const tables = new Set(columns.map((row) => text(row, 'table')))
  const names = (rows: readonly Row[]) => new Set(rows.map((row) => text(row, 'name')))
  const settingNames = names(settings)
  const functionNames = names(functions)
  return {
    hasTable: (name) => tables.has(name),
    hasColumn: (table, column) => known.has(`${table}.${column}`),
    hasSetting: (name) => settingNames.has(name),
    hasFunction: (name) => functionNames.has(name),
  }
}

async function readDisks(
  engine: Queries,
  { can, mapping }: { readonly can: Capabilities; readonly mapping: Readonly<Record<string, string>> },
): Promise<readonly ServerDisk[]> {
  const optional = (column: string, otherwise: Sql) =>
    can.hasColumn('disks', column) ? sql`${column === 'type' ? sql`type` : sql`is_encrypted`}` : otherwise
  const rows = await engine.query(
    sql`SELECT name, path, free_space, ${optional('type', sql`'local'`)} AS kind, ${optional('is_encrypted', sql`0`)} AS encrypted FROM system.disks`,
  )
  return rows.map((row) => {
    const name = text(row, 'name')
    const path = withSlash(text(row, 'path'))
    return {
      name,
      path,
      local: withSlash(mapping[name] ?? path),
      type: text(row, 'kind').toLowerCase() === 'local' ? 'local' : 'object',
      encrypted: number(row, 'encrypted') === 1,
      freeBytes: number(row, 'free_space'),
    }
  })
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
