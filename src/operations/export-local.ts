import { dirname, join, resolve } from 'node:path'
import type { Disk } from '../core/disk.ts'
import { diskError } from '../core/disk-error.ts'
import { isErrno, PermafrostError } from '../core/errors.ts'
import type { TableName } from '../core/sql.ts'
import { linkTree } from '../engine/link-tree.ts'
import { partPath } from '../engine/local-snapshots.ts'
import type { LocalSnapshot } from '../engine/local-snapshots.ts'
import type { Context } from './context.ts'

export interface Exported {
  readonly directory: string
  readonly tables: number
  readonly parts: number
}

/**
 * Write a local snapshot as a plain tree that needs no Permafrost: `metadata/<database>.sql`, `metadata/<database>/<table>.sql`, and
 * the parts in `data/<database>/<table>/`, as hard links. To restore by hand: run the CREATE statements, copy the parts into the
 * table's `detached/`, and ATTACH PARTITION.
 *
 * @throws CONFLICT when the directory exists; USAGE when it lies on another file system than the data
 */
export async function exportLocal(
  { engine, disk, signal }: Pick<Context, 'engine' | 'disk' | 'signal'>,
  snapshot: LocalSnapshot,
  to: string,
): Promise<Exported> {
  const directory = resolve(to)
  if (disk.exists(directory)) throw new PermafrostError('CONFLICT', `${directory} exists already`)
  const info = await engine.describe()
  const draft = `${directory}.unfinished`
  await disk.remove(draft)
  try {
    for (const { name, create } of snapshot.databases)
      writeSql(join(draft, 'metadata', `${escapeName(name)}.sql`), create, disk)
    for (const { table, parts } of snapshot.tables) {
      const place = placeOf(table)
      writeSql(join(draft, 'metadata', `${place}.sql`), table.schema.create, disk)
      disk.makeDirectory(join(draft, 'data', place))
      for (const part of parts) {
        signal.throwIfAborted()
        linkTree(partPath(snapshot, part, info), join(draft, 'data', place, part.name), disk)
      }
    }
    disk.syncTree(draft)
    disk.rename(draft, directory)
    disk.sync(dirname(directory))
  } catch (error) {
    await disk.remove(draft)
    throw isErrno(error, 'EXDEV') ? otherFileSystem(directory) : diskError(error, `export to ${directory}`)
  }
  const parts = snapshot.tables.reduce((total, table) => total + table.parts.length, 0)
  return { directory, tables: snapshot.tables.length, parts }
}

function otherFileSystem(directory: string): PermafrostError {
  return new PermafrostError(
    'USAGE',
    `${directory} lies on another file system than the data: hard links need the same`,
    {
      hint: 'export to a directory on the data disk, and copy that with rsync -aH',
    },
  )
}

function placeOf({ database, name }: TableName): string {
  return join(escapeName(database), escapeName(name))
}

/** A name as ClickHouse writes it into paths: every byte but `[A-Za-z0-9_]` as `%XX`. */
function escapeName(name: string): string {
  const bytes = [...Buffer.from(name)]
  return bytes
    .map((byte) => {
      const char = String.fromCharCode(byte)
      return /\w/.test(char) ? char : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
    })
    .join('')
}

function writeSql(path: string, statement: string, disk: Disk): void {
  disk.makeDirectory(dirname(path))
  const file = disk.open(path, 'create')
  disk.write(file, Buffer.from(`${statement}\n`))
  disk.close(file)
}
