import { join, resolve } from 'node:path'
import type { ServerFile } from '../core/definitions.ts'
import { PermafrostError } from '../core/errors.ts'
import { formatBytes, MIB } from '../core/units.ts'
import type { Context } from './context.ts'

/** They lie in the backup's own record, and again in that of the next backup. */
const MOST = 16 * MIB

/**
 * Read the files below some directories: configuration, scripts of executable functions, format schemas. What cannot be read is a
 * finding.
 *
 * @throws NOT_FOUND when a directory is not there; USAGE when the repository is not encrypted, for configurations hold passwords
 */
export function readServerFiles(
  directories: readonly string[],
  { repository, disk, emit }: Pick<Context, 'repository' | 'disk' | 'emit'>,
): readonly ServerFile[] {
  if (directories.length > 0 && repository.keys.suite === 'none')
    throw new PermafrostError('USAGE', 'only an encrypted repository takes the files of a server: they hold passwords')
  const files: ServerFile[] = []
  let left = MOST
  const incomplete = (object: string, message: string) =>
    emit({ type: 'finding', severity: 'incomplete', object, message })
  for (const path of directories.flatMap((directory) => filesBelow(resolve(directory), disk))) {
    try {
      const { size, mode } = disk.stat(path)
      if (size > left) {
        incomplete(path, `is not in the backup: the files of a server may have ${formatBytes(MOST)} together`)
        continue
      }
      left -= size
      files.push({ path, mode, content: Buffer.from(disk.read(path)).toString('base64') })
    } catch (error) {
      incomplete(path, `could not be read, and is not in the backup: ${String(error)}`)
    }
  }
  return files
}

function filesBelow(directory: string, disk: Context['disk']): readonly string[] {
  if (!disk.exists(directory)) throw new PermafrostError('NOT_FOUND', `there is no directory ${directory}`)
  return disk
    .list(directory)
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap(({ name, kind }) => {
      const path = join(directory, name)
      if (kind === 'directory') return filesBelow(path, disk)
      // A link is followed to a file, as Kubernetes mounts them, and never to a directory: it may lead in a circle.
      return kind === 'other' && disk.exists(path) && disk.stat(path).directory ? [] : [path]
    })
}
