import { createHash } from 'node:crypto'
import { FRAME, FRAME_OVERHEAD } from '../core/part-stream.ts'
import { encodeTrailer, HEADER, TRAILER } from './pack-format.ts'
import type { FrameRole, PackCipher } from './pack-format.ts'

/** Room for the footer: its table is cut off below this, long before a frame's limit. */
const FOOTER_ROOM = FRAME + FRAME_OVERHEAD
const FOOTER_TEXT = FRAME - 4096

export interface FinishedPack {
  /** SHA-256 of the bytes, in hex: the pack's name. */
  readonly id: string
  readonly bytes: Uint8Array
}

/** Builds one pack in memory. */
export interface PackWriter {
  /** Plaintext so far. */
  readonly plain: number
  /** Where the next frame will begin. */
  readonly end: number
  /** Whether another frame with this much plaintext has room; an empty pack always has. */
  fits(plain: number): boolean
  /** Seal a frame; returns its offset in the pack. */
  add(plain: Uint8Array, frame: { readonly role: FrameRole; readonly compress?: boolean }): number
  /** A line of the footer's table: what lies where, for the day when the manifest is gone. */
  note(line: string): void
  /** Seal the footer, and name the pack. */
  finish(): FinishedPack
}

/**
 * Build a pack in a buffer of {@link packBufferSize}.
 *
 * @param target bytes of plaintext at which the pack counts as full
 */
export function packWriter(buffer: ArrayBufferLike, cipher: PackCipher, target: number): PackWriter {
  const bytes = new Uint8Array(buffer)
  // Each byte is hashed as soon as it is there: it is in the processor's cache still, and what failing memory does to it
  // later is found by the pack's name.
  const name = createHash('sha256')
  bytes.set(cipher.header)
  name.update(cipher.header)
  const limit = buffer.byteLength - FOOTER_ROOM - TRAILER
  const notes: string[] = []
  let end = HEADER
  let plainBytes = 0
  let noted = 0

  const add: PackWriter['add'] = (plain, { role, compress = false }) => {
    const offset = end
    end += cipher.seal(plain, { offset, role, compress }, bytes.subarray(offset))
    name.update(bytes.subarray(offset, end))
    plainBytes += plain.length
    return offset
  }

  return {
    get plain() {
      return plainBytes
    },
    get end() {
      return end
    },
    fits: (plain) =>
      end === HEADER ||
      (plainBytes + plain <= target && end + plain + FRAME_OVERHEAD <= limit && noted < FOOTER_TEXT - 1024),
    add,
    note: (line) => {
      if (noted + line.length + 1 > FOOTER_TEXT) return
      notes.push(line)
      noted += Buffer.byteLength(line) + 1
    },
    finish: () => {
      const footer = add(Buffer.from(notes.join('\n')), { role: 'footer', compress: true })
      const trailer = encodeTrailer(footer, end + TRAILER)
      bytes.set(trailer, end)
      name.update(trailer)
      return { id: name.digest('hex'), bytes: bytes.subarray(0, end + TRAILER) }
    },
  }
}

/** Bytes of buffer for a pack of this much plaintext: small files make short frames, each with 20 bytes around it. */
export function packBufferSize(target: number): number {
  return HEADER + target + Math.max(FRAME, target >> 6) + FOOTER_ROOM + TRAILER
}
