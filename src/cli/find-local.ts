import { resolveBackup } from '../core/backup-id.ts'
import type { LocalSnapshot } from '../engine/local-snapshots.ts'
import type { Composition } from './compose.ts'

const PREFIX = 'local:'

/** Does this mean a local snapshot, and none of the backups in the repository? */
export function isLocal(text: string): boolean {
  return text.startsWith(PREFIX)
}

/** The local snapshot that is meant: `local:<id>`, or the id alone where nothing else can be. @throws NOT_FOUND, USAGE */
export async function findLocal(c: Pick<Composition, 'base' | 'engine'>, text: string): Promise<LocalSnapshot> {
  const { readLocalSnapshots } = await import('../engine/local-snapshots.ts')
  const info = await (await c.engine()).describe()
  const snapshots = readLocalSnapshots({ info, disk: c.base().disk })
  const named = snapshots.map((snapshot) => ({ id: snapshot.id, host: snapshot.server.host, snapshot }))
  return resolveBackup(isLocal(text) ? text.slice(PREFIX.length) : text, named).snapshot
}
