import { NO_DEFINITIONS } from '../core/definitions.ts'
import { collectFindings } from '../core/events.ts'
import { keyOf } from '../engine/catalog.ts'
import type { ServerInfo } from '../engine/engine.ts'
import { partPath } from '../engine/local-snapshots.ts'
import type { LocalSnapshot } from '../engine/local-snapshots.ts'
import type { BackupResult } from './backup.ts'
import { poolOf } from './context.ts'
import type { Context } from './context.ts'
import type { FrozenServer } from './freeze-server.ts'
import { findInterrupted } from './interrupted.ts'
import { storeBackup } from './store-backup.ts'
import { storedBefore } from './stored-before.ts'

/**
 * Store a local snapshot in a repository, as a backup of the moment when it was frozen. Every byte that the repository does not
 * have is checked against the parts' own hashes, as in any backup.
 */
export async function storeLocal(outer: Context, snapshot: LocalSnapshot): Promise<BackupResult> {
  const { emit, findings } = collectFindings(outer.emit)
  const ctx = { ...outer, emit }
  await using pool = poolOf(ctx)
  for (const finding of snapshot.findings) emit({ type: 'finding', ...finding })
  const interrupted = await findInterrupted(ctx, { server: snapshot.server.id, demanded: false })
  const frozen = frozenAsThen(snapshot, await ctx.engine.describe())
  const tables = frozen.tables.map(({ table }) => table)
  const before = await storedBefore(ctx, { server: snapshot.server.id, tables, interrupted })
  const server = { ...frozen, definitions: NO_DEFINITIONS, before }
  const summary = await storeBackup({ ...ctx, pool, findings }, server, snapshot)
  return { summary, findings }
}

/** The server as it was when the snapshot was made. */
function frozenAsThen(snapshot: LocalSnapshot, info: ServerInfo): FrozenServer {
  return {
    started: new Date(snapshot.started),
    info: snapshot.server,
    databases: snapshot.databases,
    tables: snapshot.tables.map(({ table, at, parts }) => ({
      table,
      at: new Date(at),
      parts: parts.map((part) => ({
        name: part.name,
        disk: part.disk,
        directory: partPath(snapshot, part, info),
      })),
    })),
    serverParts: new Map(
      snapshot.tables.map(({ table, parts }) => [
        keyOf(table),
        new Map(parts.map((part) => [part.name, { ...part, hash: part.hash, active: true }])),
      ]),
    ),
  }
}
