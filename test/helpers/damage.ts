import { spawnSync } from 'node:child_process'
import { closeSync, fstatSync, openSync, readSync, writeSync } from 'node:fs'

export interface Flip {
  readonly path: string
  readonly at: number
}

/** Flip one bit in the middle of a file, as a failing disk does: size and times stay, to the nanosecond. */
export function flipByte(path: string, share = 0.5): Flip {
  const file = openSync(path, 'r')
  const { size } = fstatSync(file)
  closeSync(file)
  return flipByteAt(path, Math.min(size - 1, Math.floor(size * share)))
}

/** Flip one bit of the byte at an offset. */
export function flipByteAt(path: string, at: number): Flip {
  const flip = { path, at }
  toggle(flip)
  return flip
}

/** Undo a flip. */
export function restoreByte(flip: Flip): void {
  toggle(flip)
}

function toggle({ path, at }: Flip): void {
  const file = openSync(path, 'r+')
  const { mtimeNs } = fstatSync(file, { bigint: true })
  const byte = Buffer.alloc(1)
  readSync(file, byte, 0, 1, at)
  writeSync(file, Buffer.from([byte.readUInt8() ^ 0x10]), 0, 1, at)
  closeSync(file)
  const time = `@${mtimeNs / 1_000_000_000n}.${String(mtimeNs % 1_000_000_000n).padStart(9, '0')}`
  const { status } = spawnSync('touch', ['-m', '-d', time, path])
  if (status !== 0) throw new Error('touch failed')
}
