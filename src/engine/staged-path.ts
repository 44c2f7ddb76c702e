import { join } from 'node:path'
import type { TableDirectory } from './shadow.ts'

/**
 * A restore's own corner of a table: `detached/permafrost-<key>/` on each of its disks, where parts are built, checked and made
 * durable before they move into the table, by a rename on the same file system. ClickHouse passes over it, and DROP TABLE
 * takes it along.
 */
export interface Staging {
  readonly directories: readonly TableDirectory[]
  readonly key: string
}

/** Where a part is staged: `tmp-…` while it is built, its own name when it is whole. */
export function stagedPath(directory: TableDirectory, key: string, name = ''): string {
  return join(directory.local, 'detached', `permafrost-${key}`, name)
}

/** The path in `detached/` under which ATTACH PART finds a part. */
export function detachedPath(directory: TableDirectory, name: string): string {
  return join(directory.local, 'detached', name)
}
