import { randomBytes } from 'node:crypto'
import { layout } from '../core/layout.ts'

/**
 * A name for a write under way that nobody else writes to, in a store that cannot create an object in one step. It lies under a
 * prefix of its own, so that a reader of any other never sees it, and `prune` finds what a killed writer left behind.
 */
export function temporaryKey(): string {
  return layout.unfinished.prefix + randomBytes(16).toString('hex')
}
