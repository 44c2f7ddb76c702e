import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Corrupt } from '../../../src/core/corrupt.ts'
import { nativeAead } from '../../../src/repository/native-aead.ts'
import { aead, TAG } from '../../../src/repository/seal.ts'
import { notCovered } from '../../helpers/not-covered.ts'

const SUITES = ['aes-256-gcm', 'chacha20-poly1305'] as const
const place = fc.record({
  nonce: fc.uint8Array({ minLength: 12, maxLength: 12 }),
  context: fc.array(fc.uint8Array({ maxLength: 200 }), { minLength: 1, maxLength: 3 }),
})
const plains = fc
  .oneof(fc.constant(0), fc.integer({ min: 1, max: 300 }), fc.integer({ min: 16 * 1024, max: 300_000 }))
  .map((size) => randomBytes(size))

describe.each(SUITES)('%s', (suite) => {
  const key = randomBytes(32)
  const native = aead(suite, key)
  const node = aead(suite, key, () => undefined)
  if (!nativeAead(suite)) notCovered(`${suite} from memory to memory: the package koffi is not installed`)

  it.skipIf(!nativeAead(suite))('is the same bytes with and without the package for foreign calls', () => {
    fc.assert(
      fc.property(plains, place, (plain, at) => {
        const { nonce, context } = at
        const sealed = new Uint8Array(plain.length + TAG)
        const frame = { key, nonce, context: Buffer.concat(context) }
        nativeAead(suite)?.seal({ ...frame, from: plain, into: sealed })
        expect(Buffer.compare(sealed, node.seal(plain, at))).toBe(0)
        const opened = new Uint8Array(plain.length)
        expect(nativeAead(suite)?.open({ ...frame, from: sealed, into: opened })).toBe(true)
        expect(Buffer.compare(opened, plain)).toBe(0)
        for (const cipher of [native, node]) expect(Buffer.compare(cipher.open(sealed, at), plain)).toBe(0)
      }),
      { numRuns: 100 },
    )
  })

  it('opens nothing of which a bit is another, nor in another place', () => {
    fc.assert(
      fc.property(plains, fc.tuple(place, place), fc.nat(), (plain, [at, elsewhere], bit) => {
        fc.pre(JSON.stringify(at) !== JSON.stringify(elsewhere))
        const sealed = native.seal(plain, at)
        const arena = new Uint8Array(sealed.length)
        expect(() => native.open(sealed, elsewhere, arena)).toThrow(Corrupt)
        const byte = (bit >> 3) % sealed.length
        sealed[byte] = (sealed[byte] ?? 0) ^ (1 << (bit & 7))
        for (const cipher of [native, node]) expect(() => cipher.open(sealed, at, arena)).toThrow(Corrupt)
      }),
      { numRuns: 50 },
    )
  })

  it.skipIf(!nativeAead(suite))('writes where it was told to, and not a byte beyond', () => {
    const plain = randomBytes(100_000)
    const at = { nonce: randomBytes(12), context: [randomBytes(7)] }
    const memory = Buffer.from(new SharedArrayBuffer(200_000)).fill(7)
    native.seal(plain, at, memory.subarray(1000))
    expect(memory.subarray(0, 1000).every((byte) => byte === 7)).toBe(true)
    expect(memory.subarray(1000 + plain.length + TAG).every((byte) => byte === 7)).toBe(true)
    expect(() => native.seal(plain, at, memory.subarray(150_000))).toThrow(RangeError)
    expect(() => native.open(native.seal(plain, at), at, memory.subarray(150_000))).toThrow(RangeError)
  })
})
