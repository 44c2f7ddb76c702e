import type { Finding } from '../core/events.ts'
import { isPatchPart } from '../core/part-name.ts'
import { displayName, sql } from '../core/sql.ts'
import type { Sql, TableName } from '../core/sql.ts'
import { formatBytes, plural } from '../core/units.ts'
import { isMergeTree, keyOf } from './catalog.ts'
import type { Table } from './catalog.ts'
import { number, text } from './engine.ts'
import type { Engine, Row, ServerInfo } from './engine.ts'
import type { ServerParts } from './parts.ts'

export interface PreflightInput {
  readonly info: ServerInfo
  /** The tables that will be frozen. */
  readonly tables: readonly Table[]
  /** Every table that was asked for, frozen or not. */
  readonly selected: readonly Table[]
  readonly parts: ServerParts
}

/** Does FREEZE leave out rows of this table that a SELECT shows? */
export function keepsRowsElsewhere(table: Pick<Table, 'engine'>): boolean {
  return !isMergeTree(table) && table.engine !== 'Buffer' && table.engine !== 'Set' && !NO_DATA.test(table.engine)
}

/** Engines that keep no rows of their own: their definition is all there is to them. */
const NO_DATA =
  /^(View|MaterializedView|LiveView|WindowView|Distributed|Merge|Dictionary|Null|Kafka|RabbitMQ|NATS|S3Queue|AzureQueue|FileLog|Generate\w*|Alias|Loop|.*(?:SQL|MongoDB|ODBC|JDBC|S3|URL|HDFS|Azure\w*|Iceberg\w*|Hudi|DeltaLake\w*|Redis|Executable\w*))$/

/**
 * What FREEZE leaves out without a word, and what may go wrong while it lasts. Findings with severity `incomplete` mean that
 * rows which a query shows now will not be in the backup.
 */
export async function preflight(engine: Pick<Engine, 'query'>, input: PreflightInput): Promise<readonly Finding[]> {
  const { info, tables, selected } = input
  const named = (rows: readonly Row[]) =>
    rows.filter((row) => tables.some((table) => table.database === row['database'] && table.name === row['table']))
  const optional = async (table: string, query: Sql) => (info.can.hasTable(table) ? engine.query(query) : [])
  const [mutations, detached, replicas] = await Promise.all([
    optional(
      'mutations',
      sql`SELECT database, table, count() AS n FROM system.mutations WHERE NOT is_done GROUP BY database, table`,
    ),
    optional(
      'detached_parts',
      sql`SELECT database, table, count() AS n FROM system.detached_parts GROUP BY database, table`,
    ),
    optional('replicas', sql`SELECT database, table FROM system.replicas WHERE is_readonly`),
  ])
  return [
    ...named(mutations).map((row) => ({
      severity: 'warning' as const,
      object: nameOf(row),
      message: `${plural(number(row, 'n'), 'unfinished mutation')}: the backup has the parts as they are now`,
      hint: `wait for it: SELECT * FROM system.mutations WHERE NOT is_done`,
    })),
    ...tables.flatMap((table) => patchFindings(table, input.parts)),
    ...named(detached).map((row) => ({
      severity: 'note' as const,
      object: nameOf(row),
      message: `${plural(number(row, 'n'), 'detached part')} are not part of the table, nor of the backup`,
    })),
    ...named(replicas).map((row) => ({
      severity: 'warning' as const,
      object: nameOf(row),
      message: 'this replica is read-only: it may lack what others have',
      hint: `when ZooKeeper has lost it:  SYSTEM RESTORE REPLICA ${nameOf(row)}  (ClickHouse 21.7 and newer)`,
    })),
    ...selected.flatMap(coverageFindings),
    ...diskFindings(input),
  ]
}

function patchFindings(table: Table, parts: ServerParts): readonly Finding[] {
  const patches = [...(parts.get(keyOf(table))?.values() ?? [])].filter((part) => part.active && isPatchPart(part.name))
  if (patches.length === 0) return []
  return [
    {
      severity: 'incomplete',
      object: displayName(table),
      message: `lightweight updates in ${plural(patches.length, 'patch part')} are in no FREEZE, and so not in the backup`,
      hint: 'permafrost backup --apply-patches, or ALTER TABLE … APPLY PATCHES before it',
    },
  ]
}

function coverageFindings(table: Table): readonly Finding[] {
  if (isMergeTree(table) || NO_DATA.test(table.engine)) return []
  const object = displayName(table)
  if (table.engine === 'Buffer') {
    if (table.totalBytes === 0) return []
    return [
      {
        severity: 'warning',
        object,
        message: `rows in its buffer are not in the backup`,
        hint: `OPTIMIZE TABLE ${object} flushes it`,
      },
    ]
  }
  const message = `engine ${table.engine} keeps its rows outside of MergeTree parts: they are not in the backup`
  const hint = keepsRowsElsewhere(table)
    ? `read them with --non-mergetree, or leave it out with -t '!${object}'`
    : `leave it out with -t '!${object}'`
  return [{ severity: 'incomplete', object, message, hint }]
}

/** A freeze pins what it links: parts that are merged away meanwhile keep their space until the backup ends. */
function diskFindings({ info, tables, parts }: PreflightInput): readonly Finding[] {
  const pinned = new Map<string, number>()
  for (const part of tables.flatMap((table) => [...(parts.get(keyOf(table))?.values() ?? [])])) {
    if (part.active) pinned.set(part.disk, (pinned.get(part.disk) ?? 0) + part.bytes)
  }
  return info.disks.flatMap((disk) => {
    const bytes = pinned.get(disk.name) ?? 0
    if (disk.freeBytes > bytes / 10) return []
    return [
      {
        severity: 'warning' as const,
        object: `disk ${disk.name}`,
        message: `${formatBytes(disk.freeBytes)} free, and the freeze pins up to ${formatBytes(bytes)} until the backup ends`,
      },
    ]
  })
}

/** Parts of lightweight updates, turned into ordinary ones, so that FREEZE sees them. */
export async function applyPatches(
  engine: Pick<Engine, 'command'>,
  table: TableName,
  signal?: AbortSignal,
): Promise<void> {
  await engine.command(sql`ALTER TABLE ${table} APPLY PATCHES`, { settings: { mutations_sync: 2 }, signal })
}

/** Has this table patch parts? */
export function hasPatches(table: Table, parts: ServerParts): boolean {
  return patchFindings(table, parts).length > 0
}

function nameOf(row: Row): string {
  return displayName({ database: text(row, 'database'), name: text(row, 'table') })
}
