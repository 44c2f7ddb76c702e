import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import { rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Disk, DiskEntry } from '../core/disk.ts'

/** The machine's own file system. */
export const nodeDisk: Disk = {
  list: (directory) =>
    fs.readdirSync(directory, { withFileTypes: true }).map((entry) => ({ name: entry.name, kind: kindOf(entry) })),

  stat: (path) => {
    const stat = fs.statSync(path, { bigint: true })
    return {
      directory: stat.isDirectory(),
      size: Number(stat.size),
      device: Number(stat.dev),
      inode: Number(stat.ino),
      modified: String(stat.mtimeNs),
      owner: Number(stat.uid),
      group: Number(stat.gid),
      mode: Number(stat.mode) & 0o777,
    }
  },

  exists: (path) => fs.existsSync(path),
  read: readSmall,
  open: (path, mode) => fs.openSync(path, mode === 'read' ? 'r' : 'wx', 0o640),
  readInto: (file, into) => fs.readSync(file, into, 0, into.length, null),

  write: (file, bytes) => {
    for (let at = 0; at < bytes.length;) at += fs.writeSync(file, bytes, at, bytes.length - at)
  },

  close: (file) => fs.closeSync(file),
  makeDirectory: (path) => void fs.mkdirSync(path, { recursive: true, mode: 0o750 }),
  rename: (from, to) => fs.renameSync(from, to),
  link: (from, to) => fs.linkSync(from, to),
  chown: (path, { owner, group }) => fs.chownSync(path, owner, group),
  chmod: (path, mode) => fs.chmodSync(path, mode),
  sync: (path) => syncOne(path),

  // One syncfs() for the whole tree: a part has hundreds of files, and an fsync() for each takes a disk's latency each.
  syncTree: (directory) => {
    const { status } = spawnSync('sync', ['-f', directory], { stdio: 'ignore' })
    if (status !== 0) syncEach(directory)
    syncOne(dirname(directory))
  },

  remove: (path) => rm(path, { recursive: true, force: true }),
}

const small = Buffer.alloc(64 << 10)

/** Without a look at its size first: of thousands of parts, each has half a dozen files of some bytes. */
function readSmall(path: string): Uint8Array {
  const file = fs.openSync(path, 'r')
  try {
    const size = fs.readSync(file, small, 0, small.length, 0)
    return size < small.length ? Buffer.from(small.subarray(0, size)) : fs.readFileSync(file)
  } finally {
    fs.closeSync(file)
  }
}

function kindOf(entry: fs.Dirent): DiskEntry['kind'] {
  return entry.isFile() ? 'file' : entry.isDirectory() ? 'directory' : 'other'
}

function syncOne(path: string): void {
  const file = fs.openSync(path, 'r')
  try {
    fs.fsyncSync(file)
  } finally {
    fs.closeSync(file)
  }
}

function syncEach(directory: string): void {
  for (const entry of fs.readdirSync(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name)
    if (entry.isDirectory()) syncEach(path)
    else syncOne(path)
  }
  syncOne(directory)
}
