import { makeBackupId } from '../core/backup-id.ts'
import { collectFindings } from '../core/events.ts'
import type { Finding } from '../core/events.ts'
import { PermafrostError } from '../core/errors.ts'
import { nativeTarget } from '../core/native-target.ts'
import { selectTables } from '../core/selector.ts'
import type { Selector } from '../core/selector.ts'
import { displayName, join, sql } from '../core/sql.ts'
import { plural } from '../core/units.ts'
import { isMergeTree, readCatalog, readDatabases } from '../engine/catalog.ts'
import type { Table } from '../engine/catalog.ts'
import type { ServerInfo } from '../engine/engine.ts'
import { readServerParts } from '../engine/parts.ts'
import { hasPatches } from '../engine/preflight.ts'
import { runNative } from '../engine/run-native.ts'
import { listNative, recordNative } from '../repository/native-backups.ts'
import type { NativeBackup } from '../repository/native-backups.ts'
import type { Context } from './context.ts'

export interface NativeBackupOptions {
  readonly selector: Selector
  readonly tags: readonly string[]
  /** See {@link nativeTarget}. */
  readonly to: string
  /** Only what the newest native backup of the same tables does not have; it cannot be restored without that one. */
  readonly incremental: boolean
}

export interface NativeBackupResult {
  readonly native: NativeBackup
  readonly findings: readonly Finding[]
}

/**
 * Let the server make a backup by itself, for where nobody sees its disks, and write down in the repository that there is one. The
 * record is written when the server says that the backup is made, and never before.
 *
 * @throws NOT_FOUND when no table is meant; ENGINE_REFUSED, ENGINE_UNAVAILABLE, CANCELLED
 */
export async function backupNative(outer: Context, options: NativeBackupOptions): Promise<NativeBackupResult> {
  const { emit, findings } = collectFindings(outer.emit)
  const { engine, repository, clock, random, signal } = outer
  const { selector, tags, to, incremental } = options
  const started = clock()
  const info = await engine.describe()
  const tables = selectTables(selector, await readCatalog(engine, info)).filter((table) => !isInner(table))
  if (tables.length === 0)
    throw new PermafrostError('NOT_FOUND', 'no table is selected: there is nothing to back up', {
      hint: 'check select.tables, or -t',
    })
  for (const finding of await patchFindings(outer, { info, tables })) emit({ type: 'finding', ...finding })
  const selection = selector.patterns.map(({ text }) => text)
  const base = incremental ? await newestOf(outer, { server: info.id, selection }) : undefined
  const id = makeBackupId(started, random(6))
  const operation = `permafrost-${id}`
  const based = base ? sql`, base_backup = ${nativeTarget(base.to, base.id)}` : sql``
  const names = join(tables.map((table) => sql`TABLE ${table}`))
  emit({ type: 'phase', phase: 'store', message: `the server backs up ${plural(tables.length, 'table')}` })
  const { files, bytes } = await runNative(engine, {
    id: operation,
    statement: sql`BACKUP ${names} TO ${nativeTarget(to, id)} SETTINGS id = ${operation}, async = 1${based}`,
    signal,
  })
  const used = new Set(tables.map(({ database }) => database))
  const native: NativeBackup = {
    id,
    status: findings.some(({ severity }) => severity === 'incomplete') ? 'incomplete' : 'complete',
    started: started.toISOString(),
    finished: clock().toISOString(),
    host: info.host,
    server: info.id,
    clickhouse: info.version,
    permafrost: outer.version,
    to,
    ...(base && { base: base.id }),
    tags,
    selection,
    databases: (await readDatabases(engine)).filter(({ name }) => used.has(name)),
    tables: tables.map(({ database, name }) => ({ database, name })),
    files,
    bytes,
  }
  await recordNative(repository, native, random)
  return { native, findings }
}

/** BACKUP of a view takes the table that it keeps its rows in. */
function isInner({ name }: Table): boolean {
  return name.startsWith('.inner.') || name.startsWith('.inner_id.')
}

async function patchFindings(
  { engine }: Pick<Context, 'engine'>,
  { info, tables }: { readonly info: ServerInfo; readonly tables: readonly Table[] },
): Promise<readonly Finding[]> {
  const parts = await readServerParts(engine, info, [...new Set(tables.map(({ database }) => database))])
  const message = 'lightweight updates in patch parts are in no BACKUP of ClickHouse, and so not in this one'
  return tables
    .filter((table) => isMergeTree(table) && hasPatches(table, parts))
    .map((table) => ({
      severity: 'incomplete',
      object: displayName(table),
      message,
      hint: 'ALTER TABLE … APPLY PATCHES before it',
    }))
}

async function newestOf(
  { repository }: Pick<Context, 'repository'>,
  { server, selection }: Pick<NativeBackup, 'server' | 'selection'>,
): Promise<NativeBackup | undefined> {
  const same = (one: NativeBackup) =>
    one.server === server && JSON.stringify(one.selection) === JSON.stringify(selection)
  return (await listNative(repository)).findLast(same)
}
