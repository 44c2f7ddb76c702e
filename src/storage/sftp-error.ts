import { PermafrostError } from '../core/errors.ts'
import { networkError } from './network-error.ts'
import { StorageError } from './storage-error.ts'

/** Status codes of SFTP 3. */
export const STATUS = { eof: 1, noSuchFile: 2, permissionDenied: 3, failure: 4, unsupported: 8 } as const

/** What the server answered, if that is what this error is. */
export function statusOf(error: unknown): number | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'number' ? error.code : undefined
}

/**
 * An answer of the server or an error of the connection as ours.
 *
 * @param doing what was tried, with its object: `write packs/…`
 */
export function sftpError(error: unknown, doing: string, location: string): PermafrostError {
  if (error instanceof PermafrostError) return error
  const status = statusOf(error)
  if (status === undefined) return networkError(error, location)
  if (status === STATUS.permissionDenied)
    return new StorageError('forbidden', `not allowed to ${doing} at ${location}`, {
      hint: 'give the account the right to read and write this directory',
      cause: error,
    })
  const said = error instanceof Error ? error.message : String(error)
  return new StorageError('refused', `${location} refused to ${doing}: ${said}`, {
    hint: 'look for a quota, a disk mounted read-only, or a file in the way of a directory: SFTP has no words for these',
    cause: error,
  })
}
