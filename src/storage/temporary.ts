import { randomBytes } from 'node:crypto'

/**
 * Where unfinished writes lie in stores that cannot create an object in one step: under a key of their own, so that a reader
 * of any other prefix never sees them, and `prune` finds what a killed writer left behind.
 */
export const TEMPORARY = 'tmp/'

/** A name that nobody else writes to. */
export function temporaryKey(): string {
  return TEMPORARY + randomBytes(16).toString('hex')
}
