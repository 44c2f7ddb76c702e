import { join } from 'node:path'
import type { Disk } from '../core/disk.ts'
import { listIfThere } from '../core/disk-error.ts'
import { PermafrostError } from '../core/errors.ts'
import { parsePartName } from '../core/part-name.ts'
import { displayName } from '../core/sql.ts'
import type { Table } from './catalog.ts'
import type { ServerDisk, ServerInfo } from './engine.ts'

/** A part in a shadow. */
export interface FrozenPart {
  readonly name: string
  /** Its directory, as this machine sees it. */
  readonly directory: string
  /** The disk's name. */
  readonly disk: string
}

/** A directory of a table on one disk. */
export interface TableDirectory {
  readonly disk: ServerDisk
  /** As this machine sees it; with a slash at its end. */
  readonly local: string
  /** Below the disk's root: `store/abc/<uuid>/`, `data/<db>/<table>/`. */
  readonly relative: string
}

/** Where a table's parts lie: one directory for each disk of its policy. */
export function tableDirectories(
  table: Pick<Table, 'database' | 'name' | 'paths'>,
  { disks }: Pick<ServerInfo, 'disks'>,
): readonly TableDirectory[] {
  return table.paths.map((path) => {
    // An encrypted disk lies inside the directory of another, so the longest root is the disk.
    const disk = disks
      .filter((candidate) => path.startsWith(candidate.path))
      .sort((a, b) => b.path.length - a.path.length)[0]
    if (!disk)
      throw new PermafrostError(
        'ENGINE_REFUSED',
        `${displayName(table)} lies at ${path}, on none of the server's disks`,
      )
    const relative = path.slice(disk.path.length)
    return { disk, local: disk.local + relative, relative }
  })
}

/** The parts that a FREEZE of this table linked into its shadow, on all of its disks. */
export function frozenParts(
  table: Table,
  freeze: string,
  { info, disk: files }: { readonly info: Pick<ServerInfo, 'disks'>; readonly disk: Disk },
): readonly FrozenPart[] {
  return tableDirectories(table, info).flatMap(({ disk, relative }) => {
    const directory = join(disk.local, 'shadow', freeze, relative)
    const parts = listIfThere(files, directory).filter(
      (entry) => entry.kind === 'directory' && parsePartName(entry.name),
    )
    return parts.map(({ name }) => ({ name, directory: join(directory, name), disk: disk.name }))
  })
}

/** Names of the freezes that lie in the shadows of these disks, ours and others'. */
export function freezesOn(disks: readonly ServerDisk[], files: Disk): readonly string[] {
  const names = disks
    .filter((disk) => disk.type === 'local')
    .flatMap((disk) => listIfThere(files, join(disk.local, 'shadow')))
    .filter((entry) => entry.kind === 'directory')
    .map((entry) => entry.name)
  return [...new Set(names)]
}
