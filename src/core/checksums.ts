import { cityHash128, sipHash128 } from './cityhash.ts'
import type { Hash128 } from './cityhash.ts'
import { must } from './corrupt.ts'
import { decodeLz4 } from './lz4.ts'

export const CHECKSUMS_FILE = 'checksums.txt'

/** What `checksums.txt` says of one file; of a projection (`*.proj`) it is the total of the projection's own files. */
export interface FileChecksum {
  readonly size: number
  readonly hash: Hash128
  /** Of a compressed file (`*.bin`): the same for its decompressed bytes. */
  readonly uncompressed?: { readonly size: number; readonly hash: Hash128 }
}

export type Checksums = ReadonlyMap<string, FileChecksum>

/** Decompressors that core does not have: it is free of `node:`. */
export interface Decompress {
  /** Decode a ZSTD frame to at most `size` bytes, or throw. */
  zstd(bytes: Uint8Array, size: number): Uint8Array
}

/** Bound on decoded bytes: a million files would need about 60 MB. */
const MAX_DECODED = 64 << 20
const HEADER = /^checksums format version: (\d+)\n/

/**
 * Read a part's `checksums.txt`, format 2 (text), 3 (binary) or 4 (binary in compressed blocks: LZ4, ZSTD or none, each with
 * its own CityHash128). Format 5 exists in ZooKeeper only. Source: ClickHouse, src/Storages/MergeTree/MergeTreeDataPartChecksum.cpp.
 *
 * @throws Corrupt when it is anything else
 */
export function parseChecksums(file: Uint8Array, decompress: Decompress): Checksums {
  const version = HEADER.exec(latin1(file.subarray(0, 40)))?.[1]
  must(version !== undefined, 'not a checksums.txt')
  const body = file.subarray(file.indexOf(10) + 1)
  switch (version) {
    case '2':
      return parseText(new TextDecoder().decode(body))
    case '3':
      return parseBinary(body)
    case '4':
      return parseBinary(decompressBlocks(body, decompress))
    default:
      must(false, `checksums.txt of unknown format ${version}`)
  }
}

/**
 * `system.parts.hash_of_all_files` of a part with these checksums: SipHash-128 over names and hashes, in byte order of names.
 * Of a projection it is the hash that the part's own `checksums.txt` has for it.
 */
export function hashOfAllFiles(checksums: Checksums): Hash128 {
  const encoder = new TextEncoder()
  const files = [...checksums].map(([name, { hash }]) => ({ name: encoder.encode(name), hash }))
  files.sort((a, b) => compareBytes(a.name, b.name))
  const bytes = new Uint8Array(files.reduce((sum, { name }) => sum + 24 + name.length, 0))
  const view = new DataView(bytes.buffer)
  let at = 0
  for (const { name, hash } of files) {
    view.setBigUint64(at, BigInt(name.length), true)
    bytes.set(name, at + 8)
    at += 8 + name.length
    view.setBigUint64(at, BigInt(`0x${hash.slice(16)}`), true)
    view.setBigUint64(at + 8, BigInt(`0x${hash.slice(0, 16)}`), true)
    at += 16
  }
  return sipHash128(bytes)
}

function decompressBlocks(bytes: Uint8Array, decompress: Decompress): Uint8Array {
  const blocks: Uint8Array[] = []
  let total = 0
  for (let at = 0; at < bytes.length;) {
    must(at + 25 <= bytes.length, 'compressed block is cut short')
    const view = new DataView(bytes.buffer, bytes.byteOffset + at)
    const stored = view.getUint32(17, true)
    const size = view.getUint32(21, true)
    total += size
    must(stored >= 9 && at + 16 + stored <= bytes.length && total <= MAX_DECODED, 'compressed block has a wrong size')
    const hashed = bytes.subarray(at + 16, at + 16 + stored)
    must(cityHash128(hashed) === readHash(view, 0), 'compressed block fails its checksum')
    blocks.push(decompressBlock(hashed, { size, decompress }))
    at += 16 + stored
  }
  return concat(blocks, total)
}

function decompressBlock(
  block: Uint8Array,
  to: { readonly size: number; readonly decompress: Decompress },
): Uint8Array {
  const data = block.subarray(9)
  switch (block[0]) {
    case 0x02:
      must(data.length === to.size, 'uncompressed block has a wrong size')
      return data
    case 0x82:
      return decodeLz4(data, to.size)
    case 0x90: {
      const plain = to.decompress.zstd(data, to.size)
      must(plain.length === to.size, 'ZSTD block has a wrong size')
      return plain
    }
    default:
      must(false, `compressed block of unknown method ${block[0]}`)
  }
}

function parseBinary(bytes: Uint8Array): Checksums {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const decoder = new TextDecoder()
  let at = 0
  const take = (size: number): number => {
    must(size <= bytes.length - at, 'checksums.txt is cut short')
    at += size
    return at - size
  }
  const varint = (): number => {
    let value = 0
    for (let factor = 1; factor < 2 ** 49; factor *= 128) {
      const byte = view.getUint8(take(1))
      value += (byte & 127) * factor
      if (byte < 128) return value
    }
    must(false, 'checksums.txt holds a number out of range')
  }
  const hash = (): Hash128 => readHash(view, take(16))
  const checksum = (): FileChecksum => {
    const base = { size: varint(), hash: hash() }
    return view.getUint8(take(1)) ? { ...base, uncompressed: { size: varint(), hash: hash() } } : base
  }

  const files = new Map<string, FileChecksum>()
  for (let left = varint(); left > 0; left--) {
    const length = varint()
    const start = take(length)
    files.set(fileName(decoder.decode(bytes.subarray(start, start + length))), checksum())
  }
  must(at === bytes.length, 'checksums.txt has bytes after its end')
  return files
}

function parseText(text: string): Checksums {
  const lines = text.split('\n').values()
  const line = (pattern: RegExp): RegExpExecArray => {
    const match = pattern.exec(lines.next().value ?? '')
    must(match, 'checksums.txt of format 2 has a wrong line')
    return match
  }
  const size = () => Number(line(/^\t(?:uncompressed )?size: (\d+)$/)[1])
  const hash = () => {
    const [, low, high] = line(/^\t(?:uncompressed )?hash: (\d+) (\d+)$/)
    return [high, low]
      .map((half) =>
        BigInt(half ?? 0)
          .toString(16)
          .padStart(16, '0'),
      )
      .join('')
  }

  const files = new Map<string, FileChecksum>()
  for (let left = Number(line(/^(\d+) files:$/)[1]); left > 0; left--) {
    const name = fileName(line(/^(.+)$/)[1] ?? '')
    const base = { size: size(), hash: hash() }
    const compressed = line(/^\tcompressed: ([01])$/)[1] === '1'
    files.set(name, compressed ? { ...base, uncompressed: { size: size(), hash: hash() } } : base)
  }
  return files
}

/** A name that stays inside the part's directory: ClickHouse writes no other. */
function fileName(name: string): string {
  must(
    name !== '' && name !== '.' && name !== '..' && !/[/\0]/.test(name),
    'checksums.txt names a file outside the part',
  )
  return name
}

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'))

/** Both halves are little-endian, and the high one comes last: all bytes backwards. */
function readHash(view: DataView, at: number): Hash128 {
  let digits = ''
  for (let byte = at + 15; byte >= at; byte--) digits += HEX[view.getUint8(byte)]
  return digits
}

function concat(chunks: readonly Uint8Array[], total: number): Uint8Array {
  if (chunks.length === 1 && chunks[0]) return chunks[0]
  const out = new Uint8Array(total)
  let at = 0
  for (const chunk of chunks) {
    out.set(chunk, at)
    at += chunk.length
  }
  return out
}

function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const shared = Math.min(a.length, b.length)
  for (let i = 0; i < shared; i++) {
    const difference = (a[i] as number) - (b[i] as number)
    if (difference !== 0) return difference
  }
  return a.length - b.length
}

function latin1(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes)
}
