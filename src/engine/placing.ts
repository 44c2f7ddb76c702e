import { join } from 'node:path'
import type { Disk } from '../core/disk.ts'
import { PermafrostError } from '../core/errors.ts'
import type { PartEntry } from '../core/manifest.ts'
import { displayName } from '../core/sql.ts'
import type { TableName } from '../core/sql.ts'
import { freezerState } from './freezer.ts'
import type { Freezer } from './freeze-name.ts'
import { readLedger } from './ledger.ts'
import type { TableDirectory } from './shadow.ts'
import { detachedPath, stagedPath } from './staged-path.ts'
import type { Staging } from './staged-path.ts'

/**
 * The disk that a part goes to: the one that it came from, if the table still uses it, else the one with the most space.
 * Ciphertext of an encrypted disk can be read from an encrypted disk only.
 *
 * @throws ENGINE_REFUSED when no disk of the table can hold it
 */
export function directoryFor(
  part: PartEntry,
  directories: readonly TableDirectory[],
  table: TableName,
): TableDirectory {
  const fitting = directories.filter(({ disk }) => disk.encrypted === (part.encrypted ?? false))
  const same = fitting.find(({ disk }) => disk.name === part.disk)
  const roomiest = [...fitting].sort((a, b) => b.disk.freeBytes - a.disk.freeBytes)[0]
  const directory = same ?? roomiest
  if (directory) return directory
  const message = part.encrypted
    ? `${part.name} of ${displayName(table)} was written by the encrypted disk ${part.disk}, and the table has no encrypted disk here`
    : `${part.name} of ${displayName(table)} was written in the clear, and the table has only encrypted disks here`
  throw new PermafrostError('ENGINE_REFUSED', message, {
    hint: `restore to a server with a disk like ${part.disk} in its storage policy`,
  })
}

/**
 * Make the staging directories, with the owner that the table has, and claim them for this process.
 *
 * @throws CONFLICT when another process that runs is restoring the same
 */
export function openStaging(
  { directories, key }: Staging,
  { disk, self }: { readonly disk: Disk; readonly self: Freezer },
): void {
  for (const directory of directories) {
    const path = stagedPath(directory, key)
    disk.makeDirectory(path)
    claim(join(path, OWNER), { disk, self })
    giveTo(directory, path, disk)
  }
}

const OWNER = 'owner.json'

function claim(path: string, { disk, self }: { readonly disk: Disk; readonly self: Freezer }): void {
  if (disk.exists(path)) {
    const owner = readOwner(path, disk)
    if (owner && freezerState(owner, self) === 'alive' && owner.pid !== self.pid) {
      throw new PermafrostError('CONFLICT', `process ${owner.pid} is restoring the same table`, {
        hint: 'wait for it to end',
      })
    }
    disk.rename(path, `${path}.stale`)
  }
  const file = disk.open(path, 'create')
  disk.write(file, Buffer.from(JSON.stringify(self)))
  disk.close(file)
}

function readOwner(path: string, disk: Disk): Freezer | undefined {
  try {
    return JSON.parse(Buffer.from(disk.read(path)).toString()) as Freezer
  } catch {
    // Cut short by a kill.
    return undefined
  }
}

/** What a killed run left half-built goes; what it finished stays and is used. */
export async function clearHalfBuilt({ directories, key }: Staging, disk: Disk): Promise<void> {
  for (const directory of directories) {
    const path = stagedPath(directory, key)
    if (!disk.exists(path)) continue
    const halves = disk.list(path).filter((entry) => entry.name.startsWith('tmp-'))
    await Promise.all(halves.map((entry) => disk.remove(join(path, entry.name))))
  }
}

/** Parts that are whole already, by name: in the staging, or by the ledger moved on into `detached/` and not yet attached. */
export function stagedParts(staging: Staging, disk: Disk): ReadonlyMap<string, TableDirectory> {
  const { directories, key } = staging
  const found = new Map<string, TableDirectory>()
  const moved = readLedger(staging, disk)
  for (const directory of directories) {
    const path = stagedPath(directory, key)
    const entries = disk.exists(path) ? disk.list(path) : []
    for (const { name, kind } of entries)
      if (kind === 'directory' && !name.startsWith('tmp-')) found.set(name, directory)
    for (const name of moved) if (disk.exists(detachedPath(directory, name))) found.set(name, directory)
  }
  return found
}

/** Let the server own what we made for it: it must at least own a part's directory. */
export function giveTo(directory: TableDirectory, path: string, disk: Disk): void {
  const owner = disk.stat(directory.local)
  const own = disk.stat(path)
  if (own.owner === owner.owner && own.group === owner.group) return
  disk.chown(path, owner)
  if (own.directory) for (const { name } of disk.list(path)) giveTo(directory, join(path, name), disk)
}

/** Has a restore with this key begun on this table, and not ended? */
export function isStaged({ directories: [first], key }: Staging, disk: Disk): boolean {
  return first !== undefined && disk.exists(stagedPath(first, key))
}

/**
 * End a staging. The first directory, which holds the ledger, loses its name before anything is removed: a rerun after a kill
 * sees all of the ledger or none of the staging, and never half a ledger.
 */
export async function closeStaging({ directories, key }: Staging, disk: Disk): Promise<void> {
  for (const directory of directories) {
    const ended = detachedPath(directory, `permafrost-ended-${key}`)
    if (disk.exists(stagedPath(directory, key))) {
      // One that ended before, and was killed while it was removed.
      await disk.remove(ended)
      disk.rename(stagedPath(directory, key), ended)
    }
    disk.sync(join(directory.local, 'detached'))
    await disk.remove(ended)
  }
}
