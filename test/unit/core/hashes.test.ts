import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { CITYHASH_WASM } from '../../../src/core/cityhash-wasm.ts'
import { cityHash128, createCityHash, fileHash, sipHash128 } from '../../../src/core/cityhash.ts'
import { Corrupt } from '../../../src/core/corrupt.ts'
import { hashOfAllFiles, parseChecksums } from '../../../src/core/checksums.ts'
import { decodeLz4 } from '../../../src/core/lz4.ts'
import { outcomeOf } from '../../helpers/outcome.ts'
import { compileCityHash } from '../../../wasm/compile.ts'
import { readChecksums } from '../../../src/repository/part-identity.ts'

describe('CityHash in WASM', () => {
  it('is what its source compiles to', async () => {
    expect((await compileCityHash()).toString('base64')).toBe(CITYHASH_WASM)
  })

  it('gives ClickHouse’s values', () => {
    // SELECT hex(sipHash128('abc')), and the checksum of an empty uncompressed block in a checksums.txt of 26.7.
    expect(sipHash128(Buffer.from('abc'))).toBe('53a3124ce5655a686c6b96daa215b4b6')
    expect(cityHash128(Buffer.from('abc'))).toBe('13a9176355b20d7e900ff195577748fe')
  })

  it('hashes a file the same in whatever pieces it comes', () => {
    const hasher = createCityHash(1 << 16)
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 9000 }),
        fc.array(fc.integer({ min: 1, max: 3000 }), { minLength: 1 }),
        (bytes, sizes) => {
          hasher.fileBegin()
          for (let at = 0, turn = 0; at < bytes.length; turn++) {
            const piece = bytes.subarray(at, at + (sizes[turn % sizes.length] ?? 1))
            const lying = hasher.arena.subarray(7, 7 + piece.length)
            lying.set(piece)
            hasher.fileUpdate(turn % 2 === 0 ? piece : lying)
            at += piece.length
          }
          expect(hasher.fileEnd()).toBe(fileHash(bytes))
        },
      ),
    )
  })

  it('sees every flipped bit', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 6000 }), fc.nat(), (bytes, where) => {
        const flipped = Uint8Array.from(bytes)
        const at = where % (bytes.length * 8)
        flipped[at >> 3] = (flipped[at >> 3] ?? 0) ^ (1 << (at & 7))
        expect(fileHash(flipped)).not.toBe(fileHash(bytes))
      }),
    )
  })
})

describe('an LZ4 block', () => {
  it('is decoded', () => {
    // "aaaaaaaaaaaaaaaaaaaaab": one literal, a match that overlaps itself, a last literal run.
    expect(Buffer.from(decodeLz4(Uint8Array.from([0x1f, 0x61, 0x01, 0x00, 0x01, 0x10, 0x62]), 22)).toString()).toBe(
      `${'a'.repeat(21)}b`,
    )
  })

  it('never crashes, hangs or writes outside on anything else', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(2000), (bytes, size) => {
        expect(outcomeOf(() => decodeLz4(bytes, size))).toMatch(/^(decoded|corrupt)$/)
      }),
      { numRuns: 2000 },
    )
  })
})

/** A checksums.txt of format 3, in one uncompressed block for format 4. */
function binaryChecksums(): Buffer {
  const name = Buffer.from('k.bin')
  const hash = Buffer.alloc(16, 0xab)
  return Buffer.concat([
    Buffer.from([1, name.length]),
    name,
    Buffer.from([100]),
    hash,
    Buffer.from([1, 0xc8, 0x01]),
    hash,
  ])
}

function asVersion4(body: Buffer): Buffer {
  const block = Buffer.alloc(9 + body.length)
  block.writeUInt8(0x02, 0)
  block.writeUInt32LE(block.length, 1)
  block.writeUInt32LE(body.length, 5)
  body.copy(block, 9)
  const hex = cityHash128(block)
  const checksum = Buffer.alloc(16)
  checksum.writeBigUInt64LE(BigInt(`0x${hex.slice(16)}`), 0)
  checksum.writeBigUInt64LE(BigInt(`0x${hex.slice(0, 16)}`), 8)
  return Buffer.concat([Buffer.from('checksums format version: 4\n'), checksum, block])
}

describe('checksums.txt', () => {
  const hash = 'ab'.repeat(16)
  const expected = new Map([['k.bin', { size: 100, hash, uncompressed: { size: 200, hash } }]])

  it('is read in formats 2, 3 and 4', () => {
    const half = BigInt(`0x${'ab'.repeat(8)}`)
    const text = `checksums format version: 2\n1 files:\nk.bin\n\tsize: 100\n\thash: ${half} ${half}\n\tcompressed: 1\n\tuncompressed size: 200\n\tuncompressed hash: ${half} ${half}\n`
    expect(readChecksums(Buffer.from(text))).toEqual(expected)
    expect(readChecksums(Buffer.concat([Buffer.from('checksums format version: 3\n'), binaryChecksums()]))).toEqual(
      expected,
    )
    expect(readChecksums(asVersion4(binaryChecksums()))).toEqual(expected)
    expect(hashOfAllFiles(expected)).toMatch(/^[0-9a-f]{32}$/)
  })

  it('is Corrupt with one flipped bit, anywhere', () => {
    const good = asVersion4(binaryChecksums())
    for (let bit = 0; bit < good.length * 8; bit++) {
      const bad = Buffer.from(good)
      bad[bit >> 3] = (bad[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      expect(() => readChecksums(bad)).toThrow(Corrupt)
    }
  })

  it('is Corrupt cut short, anywhere', () => {
    const good = asVersion4(binaryChecksums())
    for (let length = 0; length < good.length; length++) {
      if (length === 28) continue // the header alone is a list of no files only when there is a block
      expect(() => readChecksums(good.subarray(0, length))).toThrow(Corrupt)
    }
  })

  it('never names a file outside of its part', () => {
    for (const name of ['..', '../x', 'a/b', '.', 'a\0b']) {
      const bytes = Buffer.from(name)
      const body = Buffer.concat([
        Buffer.from([1, bytes.length]),
        bytes,
        Buffer.from([1]),
        Buffer.alloc(16),
        Buffer.from([0]),
      ])
      expect(() => readChecksums(asVersion4(body))).toThrow(Corrupt)
    }
  })

  it('never crashes, hangs or asks for memory on anything else', () => {
    fc.assert(
      fc.property(fc.constantFrom('2', '3', '4', '5', '99999'), fc.uint8Array({ maxLength: 500 }), (version, body) => {
        const file = Buffer.concat([Buffer.from(`checksums format version: ${version}\n`), body])
        const parse = () => parseChecksums(file, { zstd: (bytes) => bytes })
        expect(outcomeOf(parse)).toMatch(/^(decoded|corrupt)$/)
      }),
      { numRuns: 3000 },
    )
  })
})
