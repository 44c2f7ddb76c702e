import { dirname } from 'node:path'
import { makeBackupId } from '../core/backup-id.ts'
import { collectFindings } from '../core/events.ts'
import { parsePartName } from '../core/part-name.ts'
import { keyOf } from '../engine/catalog.ts'
import type { ServerInfo } from '../engine/engine.ts'
import { makeFreezeName } from '../engine/freeze-name.ts'
import { clearHalfSnapshots, partPath, writeLocalSnapshot } from '../engine/local-snapshots.ts'
import type { LocalPart, LocalSnapshot, LocalTable } from '../engine/local-snapshots.ts'
import type { ServerParts } from '../engine/parts.ts'
import { tableDirectories } from '../engine/shadow.ts'
import type { Context } from './context.ts'
import { freezeServer, planServer } from './freeze-server.ts'
import type { FreezeWish } from './freeze-server.ts'
import type { FrozenTable } from './frozen-tables.ts'

export interface KeepLocalOptions extends FreezeWish {
  readonly tags: readonly string[]
}

/**
 * Make a local snapshot: freeze, and keep the hard links where they are, under a name of ours. Nothing is read or copied, so it
 * takes an instant, and it takes no space until the server merges or drops the parts.
 *
 * @throws NOT_FOUND when no table is meant; ENGINE_UNAVAILABLE, ENGINE_REFUSED, UNAUTHORIZED
 */
export async function keepLocal(outer: Omit<Context, 'repository'>, options: KeepLocalOptions): Promise<LocalSnapshot> {
  const { emit, findings } = collectFindings(outer.emit)
  const ctx = { ...outer, emit }
  const { disk, random } = ctx
  const info = await ctx.engine.describe()
  for (const object of await clearHalfSnapshots({ info, disk }, ctx.self)) {
    const message = 'was left by a run that was killed, and is cleared'
    emit({ type: 'finding', severity: 'note', object, message })
  }
  await using frozen = await freezeServer(ctx, await planServer(ctx, options))
  const snapshot: LocalSnapshot = {
    version: 1,
    id: makeBackupId(frozen.started, random(6)),
    started: frozen.started.toISOString(),
    directory: makeFreezeName(ctx.self, random),
    server: { id: info.id, host: info.host, version: info.version },
    permafrost: ctx.version,
    tags: options.tags,
    selection: options.selector.patterns.map(({ text }) => text),
    databases: frozen.databases,
    tables: frozen.tables.map((table) => localTable(table, { info, serverParts: frozen.serverParts })),
    findings,
  }
  for (const [index, { parts }] of frozen.tables.entries()) {
    const kept = snapshot.tables[index]?.parts ?? []
    // All parts of a table on one disk lie in one directory, and move by one rename.
    const moves = new Map(
      parts.map((part, at) => [dirname(part.directory), dirname(partPath(snapshot, kept[at] as LocalPart, info))]),
    )
    for (const [from, to] of moves) {
      disk.makeDirectory(dirname(to))
      disk.rename(from, to)
    }
  }
  writeLocalSnapshot(snapshot, { info, disk })
  return snapshot
}

function localTable(
  { table, parts, at }: FrozenTable,
  { info, serverParts }: { readonly info: ServerInfo; readonly serverParts: ServerParts },
): LocalTable {
  const directories = tableDirectories(table, info)
  const known = serverParts.get(keyOf(table))
  const local = parts.map(({ name, disk }): LocalPart => {
    const server = known?.get(name)
    return {
      name,
      partition: server?.partition ?? parsePartName(name)?.partition ?? 'all',
      rows: server?.rows ?? 0,
      bytes: server?.bytes ?? 0,
      ...(server?.hash !== undefined && { hash: server.hash }),
      disk,
      relative: directories.find((directory) => directory.disk.name === disk)?.relative ?? '',
    }
  })
  return { table, at: at.toISOString(), parts: local }
}
