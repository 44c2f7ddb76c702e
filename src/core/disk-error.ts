import type { Disk, DiskEntry } from './disk.ts'
import { isErrno, PermafrostError } from './errors.ts'

/**
 * An error of a file system as ours: no space, no permission, or anything else that it said. What is no such error is
 * returned as it is.
 *
 * @param doing what was tried, with its object: `write /var/lib/clickhouse/…`
 */
export function diskError(error: unknown, doing: string): unknown {
  if (isErrno(error, 'ENOSPC', 'EDQUOT')) {
    return new PermafrostError('STORAGE_UNAVAILABLE', `no space left to ${doing}`, {
      hint: 'free space there and run it again',
      cause: error,
    })
  }
  if (isErrno(error, 'EACCES', 'EPERM', 'EROFS')) {
    return new PermafrostError('UNAUTHORIZED', `not allowed to ${doing}`, {
      hint: 'run as a user who may: the one that ClickHouse runs as, or root',
      cause: error,
    })
  }
  if (error instanceof Error && 'syscall' in error) {
    return new PermafrostError('STORAGE_UNAVAILABLE', `cannot ${doing}: ${error.message}`, { cause: error })
  }
  return error
}

/**
 * What is in a directory; nothing when there is no such directory.
 *
 * @throws UNAUTHORIZED, STORAGE_UNAVAILABLE when it is there and cannot be read: that is not the same as empty
 */
export function listIfThere(disk: Disk, directory: string): readonly DiskEntry[] {
  try {
    return disk.list(directory)
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return []
    throw diskError(error, `read ${directory}`)
  }
}

/** Is it there? @throws UNAUTHORIZED when this user may not know */
export function isThere(disk: Disk, path: string): boolean {
  try {
    disk.stat(path)
    return true
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return false
    throw diskError(error, `read ${path}`)
  }
}
