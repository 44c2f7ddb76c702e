import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs'
import { isErrno, PermafrostError } from '../core/errors.ts'

/** A new file for its owner only: created, not overwritten, and durable before anything is encrypted with it. @throws CONFLICT */
export function writeKeyFile(path: string, text: string): void {
  try {
    const file = openSync(path, 'wx', 0o600)
    try {
      writeSync(file, text)
      fsyncSync(file)
    } finally {
      closeSync(file)
    }
  } catch (error) {
    if (isErrno(error, 'EEXIST'))
      throw new PermafrostError('CONFLICT', `${path} exists already: keys are never overwritten`, { cause: error })
    const why = error instanceof Error ? error.message : String(error)
    throw new PermafrostError('CONFIG_INVALID', `cannot write the key to ${path}: ${why}`, { cause: error })
  }
}
