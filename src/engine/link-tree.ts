import type { Disk } from '../core/disk.ts'

/** Files of a part that ClickHouse writes anew in place: a shared inode would change in the snapshot as well. */
const REWRITTEN: ReadonlySet<string> = new Set(['metadata_version.txt', 'txn_version.txt'])

/** Give a part a second directory: hard links to the same files, which nobody writes to any more. */
export function linkTree(from: string, to: string, disk: Disk): void {
  disk.makeDirectory(to)
  for (const { name, kind } of disk.list(from)) {
    // For hundreds of files in a part `join` takes a third of the time: it takes apart again what is one step longer.
    const [source, target] = [`${from}/${name}`, `${to}/${name}`]
    if (kind === 'directory') linkTree(source, target, disk)
    else if (REWRITTEN.has(name)) copyFile(source, target, disk)
    else disk.link(source, target)
  }
}

function copyFile(from: string, to: string, disk: Disk): void {
  const file = disk.open(to, 'create')
  try {
    disk.write(file, disk.read(from))
  } finally {
    disk.close(file)
  }
}
