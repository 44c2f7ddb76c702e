import { Corrupt } from '../core/corrupt.ts'
import { FRAME, FRAME_OVERHEAD } from '../core/part-stream.ts'
import { encodeTrailer, frameLength, HEADER, TRAILER } from './pack-format.ts'
import type { FrameRole, PackCipher } from './pack-format.ts'
import { release } from './release.ts'
import { sha256 } from './seal.ts'

/** Room for the footer: its table is cut off below this, long before a frame's limit. */
const FOOTER_ROOM = FRAME + FRAME_OVERHEAD
const FOOTER_TEXT = FRAME - 4096

export interface FinishedPack {
  /** SHA-256 of the bytes, in hex: the pack's name. */
  readonly id: string
  readonly bytes: Uint8Array<ArrayBuffer>
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
  add(plain: Uint8Array, frame: { readonly role: FrameRole; readonly compressed?: boolean }): number
  /** A line of the footer's table: what lies where, for the day when the manifest is gone. */
  note(line: string): void
  /** Seal the footer, check the finished buffer by opening every frame again, and name it. */
  finish(): FinishedPack
}

/**
 * Build a pack in a buffer of {@link packBufferSize}.
 *
 * @param target bytes of plaintext at which the pack counts as full
 */
export function packWriter(buffer: ArrayBuffer, cipher: PackCipher, target: number): PackWriter {
  const bytes = new Uint8Array(buffer)
  bytes.set(cipher.header)
  const limit = buffer.byteLength - FOOTER_ROOM - TRAILER
  const notes: string[] = []
  const frames: { readonly offset: number; readonly role: FrameRole }[] = []
  let end = HEADER
  let plainBytes = 0
  let noted = 0

  const add: PackWriter['add'] = (plain, { role, compressed = false }) => {
    const offset = end
    const { word, text, tag } = cipher.seal(plain, { offset, role, compressed })
    bytes.set(word, offset)
    bytes.set(text, offset + 4)
    bytes.set(tag, offset + 4 + text.length)
    end += text.length + FRAME_OVERHEAD
    release(text, plain)
    plainBytes += plain.length
    frames.push({ offset, role })
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
      frames.length === 0 ||
      (plainBytes + plain <= target && end + plain + FRAME_OVERHEAD <= limit && noted < FOOTER_TEXT - 1024),
    add,
    note: (line) => {
      if (noted + line.length + 1 > FOOTER_TEXT) return
      notes.push(line)
      noted += Buffer.byteLength(line) + 1
    },
    finish: () => {
      const footer = add(Buffer.from(notes.join('\n')), { role: 'footer', compressed: true })
      bytes.set(encodeTrailer(footer, end + TRAILER), end)
      const whole = bytes.subarray(0, end + TRAILER)
      checkPack(whole, { cipher, frames })
      return { id: sha256(whole).toString('hex'), bytes: whole }
    },
  }
}

/** Bytes of buffer for a pack of this much plaintext: small files make short frames, each with 20 bytes around it. */
export function packBufferSize(target: number): number {
  return HEADER + target + Math.max(FRAME, target >> 6) + FOOTER_ROOM + TRAILER
}

// A flipped bit of memory between sealing and storing would be found years later; restic calls this its extra verification.
function checkPack(
  bytes: Uint8Array,
  {
    cipher,
    frames,
  }: { readonly cipher: PackCipher; readonly frames: readonly { readonly offset: number; readonly role: FrameRole }[] },
): void {
  let next = HEADER
  for (const { offset, role } of frames) {
    const length = frameLength(bytes.subarray(offset))
    if (offset !== next) throw new Corrupt('a finished pack does not read back: memory may be failing')
    release(cipher.open(bytes.subarray(offset, offset + length), { offset, role }), bytes)
    next = offset + length
  }
}
