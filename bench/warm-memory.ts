import { closeSync, openSync, rmSync, statfsSync, writeSync } from 'node:fs'
import { join } from 'node:path'

/** https://man7.org/linux/man-pages/man2/statfs.2.html */
const TMPFS = 0x01021994
/** What a step writes at most, as a part of the data. */
const ROOM = 1.5
const CHUNK = Buffer.alloc(64 << 20, 1)

/**
 * Touch as much memory as a step with so many bytes of data needs, where a directory lies in memory. A virtual machine gives what nobody uses back to its host within
 * seconds, and to touch it anew takes more than a second for each GB: as long as `cp` itself, and whoever comes next would pay.
 */
export function warmMemory(directory: string, bytes: number): void {
  if (statfsSync(directory).type !== TMPFS) return
  const path = join(directory, 'warm')
  const file = openSync(path, 'w')
  for (let at = 0; at < bytes * ROOM; at += CHUNK.length) writeSync(file, CHUNK)
  closeSync(file)
  rmSync(path)
}
