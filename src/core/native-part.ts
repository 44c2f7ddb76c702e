import { cityHash128 } from './cityhash.ts'
import type { Hash128 } from './cityhash.ts'
import type { FileChecksum } from './checksums.ts'

// The rows of a table that has no parts lie in a repository like a part: with a checksums.txt, so that whatever stores, verifies
// and restores parts does the same with them.

/** The rows, in ClickHouse's format Native. */
export const ROWS_FILE = 'rows.native'
/** How many there are, where a part has it. */
export const COUNT_FILE = 'count.txt'
/** What they are, with their SHA-256: it makes the part's identity that of its rows. */
export const ABOUT_FILE = 'native.json'
/** The only part of such a table. */
export const ROWS_PART = 'all_1_1_0'

/** A `checksums.txt` of format 4, in one block that is not compressed. */
export function encodeChecksums(files: ReadonlyMap<string, FileChecksum>): Uint8Array {
  const body = [
    ...varint(files.size),
    ...[...files].flatMap(([name, { size, hash }]) => {
      const text = new TextEncoder().encode(name)
      return [...varint(text.length), ...text, ...varint(size), ...hashBytes(hash), 0]
    }),
  ]
  const NONE = 0x02
  const block = Uint8Array.from([NONE, ...u32(body.length + 9), ...u32(body.length), ...body])
  const header = new TextEncoder().encode('checksums format version: 4\n')
  return Uint8Array.from([...header, ...hashBytes(cityHash128(block)), ...block])
}

function varint(value: number): readonly number[] {
  return value < 128 ? [value] : [(value % 128) | 128, ...varint(Math.floor(value / 128))]
}

function u32(value: number): readonly number[] {
  return [value & 255, (value >> 8) & 255, (value >> 16) & 255, value >>> 24]
}

/** Low half first. */
function hashBytes(hash: Hash128): readonly number[] {
  const bytes = hash.match(/../g) ?? []
  return bytes.toReversed().map((digits) => Number.parseInt(digits, 16))
}
