import { dirname, join, resolve } from 'node:path'
import type { ServerFile } from '../core/definitions.ts'
import type { Disk } from '../core/disk.ts'
import { diskError } from '../core/disk-error.ts'
import { PermafrostError } from '../core/errors.ts'
import { readContents } from '../repository/backups.ts'
import type { Context } from './context.ts'

export interface LaidFiles {
  readonly directory: string
  /** As they were named on the server; below the directory they have the same path. */
  readonly files: readonly string[]
}

/**
 * Lay the server's files out of a backup into a new directory, each under the path that it had, and never over a live one.
 *
 * @throws CONFLICT when the directory exists; NOT_FOUND when the backup has none
 */
export async function layServerFiles(
  { repository, disk }: Pick<Context, 'repository' | 'disk'>,
  backup: string,
  to: string,
): Promise<LaidFiles> {
  const directory = resolve(to)
  if (disk.exists(directory)) throw new PermafrostError('CONFLICT', `${directory} exists already`)
  const files = (await readContents(repository, backup)).definitions?.files ?? []
  if (files.length === 0)
    throw new PermafrostError('NOT_FOUND', `backup ${backup} has no files of the server`, {
      hint: 'permafrost backup --server-files /etc/clickhouse-server',
    })
  const draft = `${directory}.unfinished`
  await disk.remove(draft)
  try {
    for (const file of files) writeFile(join(draft, file.path), file, disk)
    disk.syncTree(draft)
    disk.rename(draft, directory)
    disk.sync(dirname(directory))
  } catch (error) {
    await disk.remove(draft)
    throw diskError(error, `lay files into ${directory}`)
  }
  return { directory, files: files.map(({ path }) => path) }
}

function writeFile(path: string, { mode, content }: ServerFile, disk: Disk): void {
  disk.makeDirectory(dirname(path))
  const file = disk.open(path, 'create')
  disk.write(file, Buffer.from(content, 'base64'))
  disk.close(file)
  disk.chmod(path, mode)
}
