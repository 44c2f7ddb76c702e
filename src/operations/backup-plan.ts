import type { Finding } from '../core/events.ts'
import { isThere } from '../core/disk-error.ts'
import { PermafrostError } from '../core/errors.ts'
import type { Classified } from '../core/posthog.ts'
import { displayName } from '../core/sql.ts'
import { selectTables } from '../core/selector.ts'
import { isMergeTree, readCatalog } from '../engine/catalog.ts'
import type { Table } from '../engine/catalog.ts'
import type { ServerInfo } from '../engine/engine.ts'
import { readServerParts } from '../engine/parts.ts'
import type { ServerParts } from '../engine/parts.ts'
import { applyPatches, hasPatches, keepsRowsElsewhere, preflight } from '../engine/preflight.ts'
import { tableDirectories } from '../engine/shadow.ts'
import type { Context } from './context.ts'
import type { FreezeWish } from './freeze-server.ts'

/** What a backup will freeze, and what it already knows will be missing. */
export interface BackupPlan {
  readonly tables: readonly Table[]
  /** What has no parts, and whose rows are read. */
  readonly rows: readonly Table[]
  /** What is selected and is neither: its definition is kept. */
  readonly objects: readonly Table[]
  readonly findings: readonly Finding[]
  /** `system.parts` from before the freeze. */
  readonly parts: ServerParts
}

/**
 * Read the catalogue, choose the tables, and look for what FREEZE would leave out.
 *
 * @throws NOT_FOUND when no table is meant, ENGINE_REFUSED when this machine does not see the server's files
 */
export async function planBackup(
  { engine, disk, signal }: Pick<Context, 'engine' | 'disk' | 'signal'>,
  { selector, applyPatches: apply = false, nonMergeTree = false, classify }: FreezeWish,
): Promise<BackupPlan> {
  const info = await engine.describe()
  const meant = selectTables(selector, await readCatalog(engine, info))
  const leftOut = meant.flatMap((table) => (isMergeTree(table) ? leftOutFinding(table, classify?.(table)) : []))
  const selected = meant.filter((table) => !leftOut.some(({ object }) => object === displayName(table)))
  const mergeTrees = selected.filter(isMergeTree)
  if (mergeTrees.length === 0) {
    throw new PermafrostError('NOT_FOUND', 'no MergeTree table is selected: there is nothing to back up', {
      hint: 'check select.tables, or -t',
    })
  }
  const onObjectDisks = mergeTrees.filter((table) => isOnObjectDisk(table, info))
  const tables = mergeTrees.filter((table) => !onObjectDisks.includes(table))
  const rows = nonMergeTree ? selected.filter(keepsRowsElsewhere) : []
  refuseUnseenFiles(tables, info, disk)
  const databases = [...new Set(tables.map((table) => table.database))]
  let parts = await readServerParts(engine, info, databases)
  const patched = apply ? tables.filter((table) => hasPatches(table, parts)) : []
  for (const table of patched) await applyPatches(engine, table, signal)
  if (patched.length > 0) parts = await readServerParts(engine, info, databases)
  // Applied patches stay in the list of parts for some minutes, and mean nothing any more.
  const findings = await preflight(engine, {
    info,
    selected: selected.filter((table) => !rows.includes(table)),
    parts,
    tables: tables.filter((table) => !patched.includes(table)),
  })
  const objects = selected.filter((table) => !isMergeTree(table) && !rows.includes(table))
  return { tables, rows, objects, parts, findings: [...leftOut, ...findings, ...onObjectDisks.map(objectDiskFinding)] }
}

function leftOutFinding(table: Table, classified: Classified | undefined): readonly Finding[] {
  if (!classified || classified.class === 'must keep') return []
  const message = `${classified.class}, and left out: ${classified.reason}`
  return [{ severity: 'note', object: displayName(table), message }]
}

function isOnObjectDisk(table: Table, info: ServerInfo): boolean {
  return tableDirectories(table, info).some((directory) => directory.disk.type === 'object')
}

function objectDiskFinding(table: Table): Finding {
  const message =
    'some of its disks are object storage: their parts are not covered yet, and the table is not in the backup'
  return { severity: 'incomplete', object: displayName(table), message }
}

/** A server on another machine, or in a container whose volumes are elsewhere, would freeze and show us nothing. */
function refuseUnseenFiles(tables: readonly Table[], info: ServerInfo, disk: Context['disk']): void {
  for (const table of tables) {
    const directories = tableDirectories(table, info)
    const [unseen] = directories
    // A disk of the policy that holds no part of the table may lack its directory.
    if (!unseen || directories.some((directory) => isThere(disk, directory.local))) continue
    const hint = [
      'run Permafrost on the server’s own machine, as a user who may read its data directory',
      `or say where this machine sees its disks: clickhouse.disks: { ${unseen.disk.name}: /path }`,
    ]
    const message = `cannot see the files of ${displayName(table)} at ${unseen.local}, on disk ${unseen.disk.name} of the server`
    throw new PermafrostError('ENGINE_REFUSED', message, { hint })
  }
}
