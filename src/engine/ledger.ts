import { join } from 'node:path'
import type { Disk } from '../core/disk.ts'
import { stagedPath } from './staged-path.ts'
import type { Staging } from './staged-path.ts'

const LINE = 'ledger-'

/**
 * Write down that a part of this name is about to leave the staging. A file for each line: its creation is atomic, where an
 * append that is cut short leaves half a name. All of them lie on the first disk, so that the whole ledger ends at one
 * instant, by one rename.
 */
export function appendLedger(name: string, staging: Staging, disk: Disk): void {
  const directory = ledgerOf(staging)
  const path = join(directory, LINE + name)
  if (!disk.exists(path)) disk.close(disk.open(path, 'create'))
  disk.sync(directory)
}

/** The names in the ledger of a restore that has begun and not ended. */
export function readLedger(staging: Staging, disk: Disk): readonly string[] {
  const directory = ledgerOf(staging)
  if (!disk.exists(directory)) return []
  return disk
    .list(directory)
    .flatMap(({ name, kind }) => (kind === 'file' && name.startsWith(LINE) ? [name.slice(LINE.length)] : []))
}

function ledgerOf({ directories: [first], key }: Staging): string {
  if (!first) throw new Error('a table without a directory')
  return stagedPath(first, key)
}
