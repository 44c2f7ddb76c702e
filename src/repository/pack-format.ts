import { createHmac, createSecretKey, timingSafeEqual } from 'node:crypto'
import zlib from 'node:zlib'
import { must } from '../core/corrupt.ts'
import { FRAME, FRAME_OVERHEAD } from '../core/part-stream.ts'
import { giveBack } from './give-back.ts'
import { aead, deriveKey, sha256, SUITES } from './seal.ts'
import type { Aead, Suite } from './seal.ts'

// The container of data packs and meta packs: header · frames · footer frame · trailer. docs/format.md describes it.

export const HEADER = 128
export const TRAILER = 32
const MAGIC = Buffer.from('PFPACK\r\n', 'latin1')
const END = Buffer.from('PFEND\r\n\0', 'latin1')
const VERSION = 1
const COMPRESSED = 0x8000_0000
const LENGTH = 0x00ff_ffff

/** What a pack is made for. A frame is sealed for one of the readers: of data, of names, or of reach alone. */
export type PackKind = 'data' | 'meta'
const KINDS: readonly PackKind[] = ['data', 'meta']

/** In the nonce, so that a frame cannot stand for one of another role: part data or a block's body, a block's head, the footer. */
export type FrameRole = 'body' | 'head' | 'footer'
const ROLES: readonly FrameRole[] = ['body', 'head', 'footer']

/** What a reader must know of a pack to open its frames; all of it is in the header, too. */
export interface PackHeader {
  readonly kind: PackKind
  readonly suite: Suite
  /** Session, 32 hex digits. */
  readonly session: string
  /** 32 random bytes, hex: they make the pack's keys, and its name unique even without encryption. */
  readonly salt: string
}

/** The keys that a pack's own keys are derived from. */
export interface PackSecrets {
  /** Of data packs: the session's data key. Of meta packs: the metadata key; absent for a reader of heads. */
  readonly body?: Uint8Array | undefined
  /** Of data packs the same; of meta packs the list key. */
  readonly head: Uint8Array
}

/** Seals and opens frames of one pack. */
export interface PackCipher {
  readonly header: Uint8Array
  /** Writes the frame to the start of `into`, which has room for it; returns its length. */
  seal(plain: Uint8Array, at: FramePlace, into: Uint8Array): number
  /**
   * @param into memory to open it in; the plaintext may lie elsewhere all the same
   * @throws Corrupt
   */
  open(frame: Uint8Array, at: Pick<FramePlace, 'offset' | 'role'>, into?: Uint8Array): Uint8Array
}

export interface FramePlace {
  /** Bytes from the start of the pack to the frame: no two frames of a pack share one, so nonces never repeat. */
  readonly offset: number
  readonly role: FrameRole
  /** Whether to seal a zstd frame of the plaintext instead, where that is smaller. */
  readonly compress?: boolean
}

/** The cipher of a pack with this header. */
export function packCipher(header: PackHeader, secrets: PackSecrets): PackCipher {
  const salt = Buffer.from(header.salt, 'hex')
  const { suite } = header
  const info = `${header.kind} pack v1`
  const head = deriveKey(secrets.head, salt, { info: `${info} head`, length: 64 })
  const forHead = aead(suite, head.subarray(0, 32))
  const forBody = secrets.body && aead(suite, deriveKey(secrets.body, salt, { info: `${info} body` }))
  const bytes = encodeHeader(header, head.subarray(32))

  const cipherOf = (role: FrameRole): Aead => {
    const cipher = role === 'body' ? forBody : forHead
    if (!cipher) throw new Error('this key reads heads only')
    return cipher
  }
  return {
    header: bytes,
    seal: (plain, { offset, role, compress = false }, into) => {
      const shrunk = compress && plain.length > TINY ? zlib.zstdCompressSync(plain, LEVEL[header.kind]) : plain
      const isSmaller = shrunk.length < plain.length
      const payload = isSmaller ? shrunk : plain
      const word = Buffer.alloc(4)
      word.writeUInt32LE((payload.length | (isSmaller ? COMPRESSED : 0)) >>> 0)
      into.set(word)
      cipherOf(role).seal(payload, { nonce: nonce(offset, role), context: [bytes, word] }, into.subarray(4))
      if (shrunk !== plain) giveBack(shrunk)
      return payload.length + FRAME_OVERHEAD
    },
    open: (frame, { offset, role }, into) => {
      const { length, compressed } = readWord(frame)
      must(frame.length === length + FRAME_OVERHEAD, 'frame has another length than it says')
      const place = { nonce: nonce(offset, role), context: [bytes, frame.subarray(0, 4)] }
      const plain = cipherOf(role).open(frame.subarray(4), place, into)
      if (!compressed) return plain
      if (!into) return decompress(plain, FRAME)
      const inflated = decompress(plain, FRAME, { chunkSize: FRAME })
      into.set(inflated)
      giveBack(inflated)
      return into.subarray(0, inflated.length)
    },
  }
}

/** The length of the frame that begins here, its overhead included. */
export function frameLength(bytes: Uint8Array): number {
  const { length } = readWord(bytes)
  return length + FRAME_OVERHEAD
}

/**
 * Read a pack's header and check that these secrets belong to it.
 *
 * @throws Corrupt when it is none, or fails its own commitment
 */
export function decodeHeader(bytes: Uint8Array): PackHeader {
  must(bytes.length >= HEADER, 'pack is cut short')
  const header = Buffer.from(bytes.buffer, bytes.byteOffset, HEADER)
  must(header.subarray(0, 8).equals(MAGIC), 'not a pack')
  must(header[8] === VERSION, `pack of version ${header[8]}`)
  const kind = KINDS[header.readUInt8(9)]
  const suite = SUITES[header.readUInt8(10)]
  must(kind && suite, 'pack of unknown kind or suite')
  return { kind, suite, session: header.toString('hex', 16, 32), salt: header.toString('hex', 32, 64) }
}

/** Does this header carry the commitment of this cipher, that is: was it sealed with this key? */
export function commits(cipher: PackCipher, header: Uint8Array): boolean {
  return header.length >= HEADER && timingSafeEqual(cipher.header, header.subarray(0, HEADER))
}

export function encodeTrailer(footer: number, length: number): Buffer {
  const trailer = Buffer.alloc(TRAILER)
  trailer.writeBigUInt64LE(BigInt(footer), 0)
  trailer.writeBigUInt64LE(BigInt(length), 8)
  END.copy(trailer, 24)
  return trailer
}

/**
 * Where the footer frame of a pack begins, out of its last 32 bytes.
 *
 * @throws Corrupt
 */
export function decodeTrailer(trailer: Uint8Array, length: number): number {
  const bytes = Buffer.from(trailer.buffer, trailer.byteOffset, trailer.length)
  must(bytes.length === TRAILER && bytes.subarray(24).equals(END), 'pack has no trailer')
  must(Number(bytes.readBigUInt64LE(8)) === length, 'pack has another length than its trailer says')
  const footer = Number(bytes.readBigUInt64LE(0))
  must(footer >= HEADER && footer + FRAME_OVERHEAD <= length - TRAILER, 'pack has its footer outside')
  return footer
}

/** zstd, bounded: a few bytes cannot ask for gigabytes. */
export function decompress(bytes: Uint8Array, bound: number, options: zlib.ZstdOptions = {}): Uint8Array {
  try {
    return zlib.zstdDecompressSync(bytes, { ...options, maxOutputLength: bound })
  } catch (error) {
    must(false, `does not decompress: ${error instanceof Error ? error.message : String(error)}`)
  }
}

function encodeHeader(header: PackHeader, commitmentKey: Uint8Array): Buffer {
  const bytes = Buffer.alloc(HEADER)
  MAGIC.copy(bytes)
  bytes.writeUInt8(VERSION, 8)
  bytes.writeUInt8(KINDS.indexOf(header.kind), 9)
  bytes.writeUInt8(SUITES.indexOf(header.suite), 10)
  bytes.write(header.session, 16, 'hex')
  bytes.write(header.salt, 32, 'hex')
  const committed = bytes.subarray(0, 96)
  const commitment =
    header.suite === 'none'
      ? sha256(committed)
      : createHmac('sha256', createSecretKey(commitmentKey)).update(committed).digest()
  commitment.copy(bytes, 96)
  return bytes
}

/** To compress or to inflate takes a tenth of a millisecond at least, and of so few bytes saves some dozens. */
const TINY = 512

/** Data are compressed already, by ClickHouse: what is left to gain comes at the lowest level. */
const LEVEL = {
  data: { params: { [zlib.constants.ZSTD_c_compressionLevel]: 1 }, chunkSize: FRAME },
  meta: {},
}

function nonce(offset: number, role: FrameRole): Buffer {
  const bytes = Buffer.alloc(12)
  bytes.writeBigUInt64BE(BigInt(offset))
  bytes.writeUInt8(ROLES.indexOf(role), 11)
  return bytes
}

function readWord(bytes: Uint8Array): { readonly length: number; readonly compressed: boolean } {
  must(bytes.length >= 4, 'frame is cut short')
  const word = new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0, true)
  const length = word & LENGTH
  // An incompressible megabyte may grow by a few bytes in a zstd frame, never by a kilobyte.
  must(length <= FRAME + 1024 && (word & ~(LENGTH | COMPRESSED)) === 0, 'frame of impossible length')
  return { length, compressed: (word & COMPRESSED) !== 0 }
}
