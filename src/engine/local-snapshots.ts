import { join } from 'node:path'
import { isBackupId } from '../core/backup-id.ts'
import type { Hash128 } from '../core/cityhash.ts'
import { Corrupt, must } from '../core/corrupt.ts'
import type { Disk } from '../core/disk.ts'
import { listIfThere } from '../core/disk-error.ts'
import { PermafrostError } from '../core/errors.ts'
import type { Finding } from '../core/events.ts'
import { safeName } from '../core/manifest.ts'
import type { DatabaseEntry } from '../core/manifest.ts'
import type { Table } from './catalog.ts'
import type { ServerDisk, ServerInfo } from './engine.ts'
import { freezerState } from './freezer.ts'
import { parseFreezeName } from './freeze-name.ts'
import type { Freezer } from './freeze-name.ts'

/**
 * A local snapshot: the hard links of a freeze, kept below `permafrost_local/` on the disk where they were made, and this record
 * on the first disk. The record is written last, and goes first: parts without one are no snapshot.
 */
export interface LocalSnapshot {
  readonly version: 1
  readonly id: string
  readonly started: string
  /** The name of its directory on each disk: whose it is while there is no record. */
  readonly directory: string
  readonly server: Pick<ServerInfo, 'id' | 'host' | 'version'>
  readonly permafrost: string
  readonly tags: readonly string[]
  readonly selection: readonly string[]
  readonly databases: readonly DatabaseEntry[]
  readonly tables: readonly LocalTable[]
  readonly findings: readonly Finding[]
}

export interface LocalTable {
  readonly table: Table
  readonly at: string
  readonly parts: readonly LocalPart[]
}

export interface LocalPart {
  readonly name: string
  readonly partition: string
  readonly rows: number
  readonly bytes: number
  readonly hash?: Hash128
  readonly disk: string
  /** Of its table's directory below the disk's root. */
  readonly relative: string
}

interface Place {
  readonly info: Pick<ServerInfo, 'disks'>
  readonly disk: Disk
}

/** A directory of ours, beside `shadow/`: ClickHouse clears that, and so does many a person. */
const ROOT = 'permafrost_local'

/** Where the snapshot's parts lie on a disk. */
export function localPath(
  { local }: Pick<ServerDisk, 'local'>,
  directory: string,
  ...steps: readonly string[]
): string {
  return join(local, ROOT, directory, ...steps)
}

/** Where one of its parts lies. @throws NOT_FOUND when the server has lost the disk */
export function partPath({ directory }: LocalSnapshot, part: LocalPart, { disks }: Pick<ServerInfo, 'disks'>): string {
  const disk = disks.find(({ name }) => name === part.disk)
  if (disk) return localPath(disk, directory, part.relative, part.name)
  throw new PermafrostError('NOT_FOUND', `the server has no disk ${part.disk} any more, where ${part.name} lies`)
}

/** The snapshots that stand, oldest first. @throws DAMAGED when a record does not read */
export function readLocalSnapshots({ info, disk }: Place): readonly LocalSnapshot[] {
  const root = join(firstDisk(info).local, ROOT)
  return listIfThere(disk, root)
    .filter(({ name, kind }) => kind === 'file' && isBackupId(name.replace(/\.json$/, '')))
    .map(({ name }) => decode(join(root, name), disk))
    .sort((a, b) => (a.id < b.id ? -1 : 1))
}

/** Make a snapshot exist. */
export function writeLocalSnapshot(snapshot: LocalSnapshot, { info, disk }: Place): void {
  const root = firstDisk(info)
  const draft = localPath(root, snapshot.directory, 'record.json')
  disk.makeDirectory(localPath(root, snapshot.directory))
  const file = disk.open(draft, 'create')
  disk.write(file, Buffer.from(JSON.stringify(snapshot)))
  disk.close(file)
  for (const { local } of localDisks(info)) {
    const kept = localPath({ local }, snapshot.directory)
    if (disk.exists(kept)) disk.syncTree(kept)
    // The name of our own directory in its disk's root.
    if (disk.exists(kept)) disk.sync(local)
  }
  disk.rename(draft, recordPath(root, snapshot.id))
  disk.sync(join(root.local, ROOT))
}

/** Remove a snapshot: its record first, so that a kill leaves no half of one in the list. */
export async function removeLocalSnapshot(snapshot: LocalSnapshot, { info, disk }: Place): Promise<void> {
  const root = firstDisk(info)
  await disk.remove(recordPath(root, snapshot.id))
  disk.sync(join(root.local, ROOT))
  await Promise.all(localDisks(info).map((one) => disk.remove(localPath(one, snapshot.directory))))
}

/**
 * Clear parts without a record, whose maker does not run any more: it was killed while it made or removed a snapshot.
 *
 * @returns the names of what was cleared
 */
export async function clearHalfSnapshots({ info, disk }: Place, self: Freezer): Promise<readonly string[]> {
  // Directories before records: one that is finished in between has its record by then.
  const directories = localDisks(info).flatMap(({ local }) =>
    listIfThere(disk, join(local, ROOT)).map(({ name }) => ({ name, path: join(local, ROOT, name) })),
  )
  const standing = new Set(readLocalSnapshots({ info, disk }).map(({ directory }) => directory))
  const halves = directories.filter(({ name }) => {
    const maker = parseFreezeName(name)
    return maker && !standing.has(name) && freezerState(maker, self) === 'gone'
  })
  await Promise.all(halves.map(({ path }) => disk.remove(path)))
  return [...new Set(halves.map(({ name }) => name))]
}

function localDisks({ disks }: Pick<ServerInfo, 'disks'>): readonly ServerDisk[] {
  return disks.filter(({ type }) => type === 'local')
}

/** Where the records lie: the disk of the server's own metadata, which is its first. */
function firstDisk(info: Pick<ServerInfo, 'disks'>): ServerDisk {
  const disks = localDisks(info)
  const disk = disks.find(({ name }) => name === 'default') ?? disks[0]
  if (disk) return disk
  throw new PermafrostError('ENGINE_REFUSED', 'the server has no local disk, so there can be no local snapshot')
}

function recordPath(disk: ServerDisk, id: string): string {
  return localPath(disk, `${id}.json`)
}

function decode(path: string, disk: Disk): LocalSnapshot {
  try {
    const snapshot = JSON.parse(Buffer.from(disk.read(path)).toString()) as LocalSnapshot
    must(snapshot.version === 1, `version ${String(snapshot.version)} is not known`)
    must(path.endsWith(`/${snapshot.id}.json`), 'it speaks of another snapshot')
    must(parseFreezeName(snapshot.directory) !== undefined, 'its directory is none of ours')
    for (const { parts } of snapshot.tables)
      for (const { name, relative } of parts) {
        safeName(name)
        must(!relative.split('/').includes('..'), `${relative} leaves the snapshot`)
      }
    return snapshot
  } catch (error) {
    if (!(error instanceof Corrupt || error instanceof SyntaxError || error instanceof TypeError)) throw error
    throw new PermafrostError('DAMAGED', `the record ${path} of a local snapshot does not read: ${error.message}`, {
      hint: `look at it; without it, its parts are cleared by the next backup --local`,
      cause: error,
    })
  }
}
