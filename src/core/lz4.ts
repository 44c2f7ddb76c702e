import { must } from './corrupt.ts'

const MIN_MATCH = 4

/**
 * Decode one LZ4 block (no frame), the format of https://github.com/lz4/lz4/blob/dev/doc/lz4_Block_format.md. ClickHouse
 * compresses `checksums.txt` with it. Only a few kilobytes at a time, so plain loops are fast enough.
 *
 * @param size exact length of the decoded bytes
 * @throws Corrupt on anything but a block that decodes to exactly `size` bytes
 */
export function decodeLz4(source: Uint8Array, size: number): Uint8Array {
  const out = new Uint8Array(size)
  let from = 0
  let to = 0

  const byte = (): number => {
    const value = source[from++]
    must(value !== undefined, 'LZ4 block is cut short')
    return value
  }
  const extended = (nibble: number): number => {
    let length = nibble
    if (nibble === 15) {
      let more: number
      do length += more = byte()
      while (more === 255)
    }
    return length
  }

  while (from < source.length) {
    const token = byte()
    const literals = extended(token >> 4)
    must(from + literals <= source.length && to + literals <= size, 'LZ4 literals run over the end')
    out.set(source.subarray(from, from + literals), to)
    from += literals
    to += literals
    if (from === source.length) break

    const distance = byte() | (byte() << 8)
    const length = extended(token & 15) + MIN_MATCH
    must(distance > 0 && distance <= to && to + length <= size, 'LZ4 match points outside the block')
    // A match may overlap what it writes, so byte by byte.
    for (const end = to + length; to < end; to++) out[to] = out[to - distance] as number
  }
  must(to === size, 'LZ4 block has another length than it says')
  return out
}
