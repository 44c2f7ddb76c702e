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
