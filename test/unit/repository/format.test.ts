import fc from 'fast-check'
import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import {
  decodeContents,
  decodePartitions,
  decodeReach,
  decodeSchema,
  decodeSummary,
} from '../../../src/core/contents-codec.ts'
import { Corrupt } from '../../../src/core/corrupt.ts'
import { decodeHead, decodeParts, EMPTY_HEAD, encodeHead, encodeParts } from '../../../src/core/manifest-codec.ts'
import type { DataPackRef, PartEntry } from '../../../src/core/manifest.ts'
import { framesOf, runsOf, segmentsOfRuns, storedLength, streamOrder } from '../../../src/core/part-stream.ts'
import {
  makeKeyFile,
  makeKeys,
  makeSlot,
  openSessionKey,
  openSlot,
  plainKeys,
  wrapSessionKey,
} from '../../../src/repository/keys.ts'
import {
  commits,
  decodeHeader,
  decodeTrailer,
  frameLength,
  packCipher,
  TRAILER,
} from '../../../src/repository/pack-format.ts'
import { packBufferSize, packWriter } from '../../../src/repository/pack-writer.ts'
import { decodeRecord, encodeRecord, MAX_RECORD } from '../../../src/repository/records.ts'
import { sha256, SUITES } from '../../../src/repository/seal.ts'
import type { Suite } from '../../../src/repository/seal.ts'
import { outcomeOf } from '../../helpers/outcome.ts'

const random = (size: number): Uint8Array => randomBytes(size)
const hex = (bytes: number): string => randomBytes(bytes).toString('hex')

function makePack(suite: Suite, frames: readonly Uint8Array[]) {
  const header = { kind: 'data', suite, session: hex(16), salt: hex(32) } as const
  const key = random(32)
  const cipher = packCipher(header, { head: key, body: key })
  const writer = packWriter(new ArrayBuffer(packBufferSize(1 << 20)), cipher, 1 << 20)
  const offsets = frames.map((frame) => writer.add(frame, { role: 'body' }))
  writer.note('["db.t all_1_1_0",0,128]')
  return { header, key, cipher, offsets, pack: writer.finish() }
}

describe.each(SUITES)('a pack, with suite %s', (suite) => {
  it('gives back its frames, each by itself, and is named by its bytes', () => {
    const frames = [Buffer.from('small'), Buffer.alloc(1 << 20, 7), Buffer.from('x'), Buffer.alloc(0)]
    const { header, cipher, offsets, pack } = makePack(suite, frames.slice(0, 1).concat(frames.slice(2)))
    expect(pack.id).toBe(sha256(pack.bytes).toString('hex'))
    expect(decodeHeader(pack.bytes)).toEqual(header)
    for (const [index, offset] of offsets.entries()) {
      const frame = pack.bytes.subarray(offset, offset + frameLength(pack.bytes.subarray(offset)))
      expect(Buffer.from(cipher.open(frame, { offset, role: 'body' }))).toEqual(
        [frames[0], frames[2], frames[3]][index],
      )
    }
  })

  it('tells by its footer what it holds, for the day when the manifest is gone', () => {
    const { cipher, pack } = makePack(suite, [Buffer.from('data')])
    const footer = decodeTrailer(pack.bytes.subarray(-TRAILER), pack.bytes.length)
    const frame = pack.bytes.subarray(footer, footer + frameLength(pack.bytes.subarray(footer)))
    expect(Buffer.from(cipher.open(frame, { offset: footer, role: 'footer' })).toString()).toContain('db.t all_1_1_0')
  })

  it('is Corrupt with any bit flipped, at any other place, in any other role', () => {
    const { cipher, offsets, pack } = makePack(suite, [Buffer.from('some plain text'), Buffer.from('some other text')])
    const [first = 0, second = 0] = offsets
    const frame = pack.bytes.slice(first, second)
    for (let bit = 0; bit < frame.length * 8; bit++) {
      const bad = Uint8Array.from(frame)
      bad[bit >> 3] = (bad[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      expect(() => cipher.open(bad, { offset: first, role: 'body' })).toThrow(Corrupt)
    }
    expect(() => cipher.open(frame, { offset: second, role: 'body' })).toThrow(Corrupt)
    expect(() => cipher.open(frame, { offset: first, role: 'footer' })).toThrow(Corrupt)
  })

  it('tells by its header whether a key is its own', () => {
    const { header, cipher, pack } = makePack(suite, [Buffer.from('x')])
    expect(commits(cipher, pack.bytes)).toBe(true)
    const other = packCipher({ ...header, salt: hex(32) }, { head: random(32), body: random(32) })
    expect(commits(other, pack.bytes)).toBe(false)
  })
})

it('two packs with the same content have different names, even without encryption', () => {
  expect(makePack('none', [Buffer.from('x')]).pack.id).not.toBe(makePack('none', [Buffer.from('x')]).pack.id)
})

describe('a record', () => {
  const keys = makeKeys('aes-256-gcm', random)
  const name = { kind: 'backup', key: 'backups/20261122T030000Z-k3f9qa' }
  const sections = [
    { name: 'open', reader: 'anyone', value: { a: 1 } },
    { name: 'list', reader: 'list', value: ['b'] },
    { name: 'meta', reader: 'meta', value: 'ü' },
  ] as const
  const record = encodeRecord(name, sections, { keys, random })

  it('gives each reader what is meant for it', () => {
    expect(Object.fromEntries(decodeRecord(name, record, keys))).toEqual({ open: { a: 1 }, list: ['b'], meta: 'ü' })
    const lister = { ...keys, meta: new Uint8Array() }
    expect(Object.fromEntries(decodeRecord(name, record, lister))).toEqual({ open: { a: 1 }, list: ['b'] })
    expect(Buffer.from(record).toString()).not.toContain('ü')
  })

  it('is JSON to read without encryption', () => {
    const plain = encodeRecord(name, sections, { keys: plainKeys, random })
    expect(Buffer.from(plain).toString()).toMatch(
      /^\{"permafrost":1,.*\}\n\{"a":1\}\n\["b"\]\n"ü"\nsha256:[0-9a-f]{64}\n$/,
    )
    expect(Object.fromEntries(decodeRecord(name, plain, plainKeys))).toEqual({ open: { a: 1 }, list: ['b'], meta: 'ü' })
  })

  it('is Corrupt cut short anywhere, under another name, or with another key', () => {
    for (let length = 0; length < record.length; length++)
      expect(() => decodeRecord(name, record.subarray(0, length), keys)).toThrow(Corrupt)
    expect(() => decodeRecord({ ...name, key: 'backups/20261122T030000Z-aaaaaa' }, record, keys)).toThrow(Corrupt)
    expect(() => decodeRecord({ ...name, kind: 'pin' }, record, keys)).toThrow(Corrupt)
    expect(() => decodeRecord(name, record, makeKeys('aes-256-gcm', random))).toThrow(Corrupt)
  })

  it('cannot be forged by one who repairs its last line', () => {
    const lines = Buffer.from(record).toString().split('\n')
    const forge = (change: (lines: string[]) => void) => {
      const copy = [...lines]
      change(copy)
      const body = Buffer.from(`${copy.slice(0, -2).join('\n')}\n`)
      return Buffer.concat([body, Buffer.from(`sha256:${sha256(body).toString('hex')}\n`)])
    }
    const swapped = forge((copy) => ([copy[2], copy[3]] = [copy[3] ?? '', copy[2] ?? '']))
    const opened = forge((copy) => (copy[0] = (copy[0] ?? '').replace('["meta","meta"]', '["meta","list"]')))
    const flipped = forge((copy) => (copy[3] = (copy[3] ?? '').replace(/^./, (char) => (char === 'A' ? 'B' : 'A'))))
    for (const forged of [swapped, opened, flipped]) expect(() => decodeRecord(name, forged, keys)).toThrow(Corrupt)
  })

  it('of more than a megabyte is refused before it is parsed, and never written', () => {
    expect(() => decodeRecord(name, Buffer.alloc(MAX_RECORD + 1, '{'), keys)).toThrow(Corrupt)
    expect(() =>
      encodeRecord(name, [{ name: 'x', reader: 'anyone', value: 'x'.repeat(MAX_RECORD) }], { keys, random }),
    ).toThrow(RangeError)
  })
})

describe('keys', () => {
  const keys = makeKeys('aes-256-gcm', random)

  it.each([
    ['a key file', makeKeyFile(random)],
    ['a passphrase', 'correct horse battery staple'],
  ])('are opened by %s, and by no other', (_what, secret) => {
    const slot = makeSlot(keys, { secret, role: 'owner', label: '', created: new Date(0) }, random)
    const opened = openSlot(slot, secret)
    expect(opened.outcome === 'opened' && Buffer.from(opened.keys.meta).equals(keys.meta)).toBe(true)
    expect(openSlot(slot, makeKeyFile(random)).outcome).toBe('wrong-secret')
    expect(openSlot(slot, 'Correct horse battery staple').outcome).toBe('wrong-secret')
    expect(() =>
      openSlot({ ...slot, keys: Buffer.from(slot.keys, 'base64').fill(0).toString('base64') }, secret),
    ).toThrow(Corrupt)
    expect(JSON.stringify(slot)).not.toContain(Buffer.from(keys.meta).toString('base64'))
  })

  it('of a session are for the holder of the private key alone', () => {
    const dataKey = random(32)
    const wrapped = wrapSessionKey(keys, { id: 'ab'.repeat(16), dataKey }, random)
    expect(Buffer.from(openSessionKey(keys, wrapped)).equals(dataKey)).toBe(true)
    expect(() => openSessionKey(makeKeys('aes-256-gcm', random), wrapped)).toThrow(Corrupt)
    expect(() => openSessionKey(keys, { ...wrapped, session: 'cd'.repeat(16) })).toThrow(Corrupt)
    const { privateKey: _, ...sealed } = keys
    expect(() => openSessionKey(sealed, wrapped)).toThrow(expect.objectContaining({ code: 'KEY_WRONG' }))
    for (const ephemeral of ['', 'AAAA', Buffer.alloc(32).toString('base64')])
      expect(() => openSessionKey(keys, { ...wrapped, ephemeral })).toThrow(Corrupt)
  })
})

const pack = (): DataPackRef => ({ id: hex(32), session: hex(16), salt: hex(32), bytes: 1 << 26 })
const part = (packs: readonly DataPackRef[]): PartEntry => ({
  name: '202601_1_1_0',
  k: hex(32),
  hash: hex(16),
  rows: 10,
  bytes: 3_000_100,
  disk: 'default',
  files: [
    ['checksums.txt', 100],
    ['data.bin', 3_000_000],
  ],
  segments: packs.map((one, index) => ({ pack: one, offset: 128, plain: index === 0 ? 100 : 3_000_000 })),
  identities: [{ path: 'data.bin', device: 1, inode: 2, modified: '1700000000000000001', hash: hex(16) }],
})

describe('a block of parts', () => {
  const packs = [pack(), pack()]
  const parts = [part(packs), { ...part(packs), name: '202601_2_2_0', suspect: ['x'], encrypted: true as const }]

  it('comes back as it was, and its head says what it reaches', () => {
    const { head, body } = encodeParts(parts)
    expect(decodeParts(decodeHead(encodeHead(head)), body)).toEqual(parts)
    expect(head.packs.map(({ id }) => id)).toEqual(packs.map(({ id }) => id).sort())
    expect(head.packs.find(({ id }) => id === packs[0]?.id)?.live).toBe(2 * 120)
  })

  it('is Corrupt when it names a file outside of its part, or does not add up', () => {
    const { head, body } = encodeParts(parts)
    for (const [from, to] of [
      ['"data.bin",3000000', '"../../etc/passwd",3000000'],
      ['"202601_1_1_0"', '"../x"'],
      ['3000000]', '3000001]'],
      ['"bytes":3000100', '"bytes":-1'],
      ['"rows":10', '"rows":"10"'],
      ['"k":"', '"k":"z'],
      ['[0,128', '[9,128'],
    ] as const) {
      const bad = body.replace(from, to)
      expect(bad).not.toBe(body)
      expect(() => decodeParts(head, bad)).toThrow(Corrupt)
    }
  })
})

describe('decoders never crash on anything else', () => {
  const json = fc.json({ maxDepth: 4 })
  const decoders: readonly (readonly [string, (text: string) => unknown])[] = [
    ['block head', decodeHead],
    ['parts', (text) => decodeParts(EMPTY_HEAD, text)],
    ['partitions', decodePartitions],
    ['schema', decodeSchema],
    ['contents', (text) => decodeContents(JSON.parse(text))],
    ['summary', (text) => decodeSummary(JSON.parse(text))],
    ['reach', (text) => decodeReach(JSON.parse(text))],
  ]
  it.each(decoders)('%s', (_name, decode) => {
    fc.assert(
      fc.property(json, (text) => {
        expect(outcomeOf(() => decode(text))).toMatch(/^(decoded|corrupt)$/)
      }),
      { numRuns: 300 },
    )
  })

  it('record, pack header, frame', () => {
    const cipher = packCipher(
      { kind: 'data', suite: 'none', session: hex(16), salt: hex(32) },
      { head: random(32), body: random(32) },
    )
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        expect(outcomeOf(() => decodeRecord({ kind: 'x', key: 'x' }, bytes, plainKeys))).toBe('corrupt')
        expect(outcomeOf(() => decodeHeader(bytes))).toBe('corrupt')
        expect(outcomeOf(() => decodeTrailer(bytes, bytes.length))).toBe('corrupt')
        expect(outcomeOf(() => cipher.open(bytes, { offset: 128, role: 'body' }))).toBe('corrupt')
      }),
      { numRuns: 1000 },
    )
  })

  it('a small frame cannot ask for more than a megabyte', () => {
    const key = random(32)
    const cipher = packCipher(
      { kind: 'data', suite: 'none', session: hex(16), salt: hex(32) },
      { head: key, body: key },
    )
    const frame = Buffer.alloc(10_000)
    const length = cipher.seal(Buffer.alloc(64 << 20), { offset: 128, role: 'body', compress: true }, frame)
    expect(() => cipher.open(frame.subarray(0, length), { offset: 128, role: 'body' })).toThrow(Corrupt)
  })
})

describe('a part’s stream', () => {
  const file = fc.record({
    path: fc.stringMatching(/^[a-z]{1,8}(\.proj\/[a-z]{1,4})?\.(bin|txt)$/),
    size: fc.oneof(fc.nat(5000), fc.integer({ min: (1 << 20) - 2, max: 3 << 20 })),
  })
  const files = fc.uniqueArray(file, { selector: ({ path }) => path, minLength: 1, maxLength: 30 })

  it('has every checksums.txt first, small files before large ones, and each large one alone in its run', () => {
    fc.assert(
      fc.property(files, (list) => {
        const ordered = streamOrder([
          ...list,
          { path: 'checksums.txt', size: 100 },
          { path: 'p.proj/checksums.txt', size: 2 << 20 },
        ])
        expect(ordered.slice(0, 2).map(({ path }) => path)).toEqual(['checksums.txt', 'p.proj/checksums.txt'])
        const runs = runsOf(ordered)
        expect(runs.flatMap((run) => run.files)).toEqual(ordered)
        expect(runs.slice(1).every((run) => run.files.length === 1 && run.bytes >= 1 << 20)).toBe(true)
      }),
    )
  })

  it('begins with what opens the part, then marks, then data', () => {
    const order = (
      'checksums.txt columns.txt count.txt minmax_day.idx p.proj/columns.txt primary.cidx serialization.json ' +
      'a.cmrk2 b%2Ec.mrk data.cmrk4 p.proj/a.mrk2 skp_idx_i.cmrk2 ' +
      'a.bin b%2Ec.bin data.bin p.proj/a.bin skp_idx_i.idx2'
    ).split(' ')
    const small = order.toReversed().map((path) => ({ path, size: 1000 }))
    expect(streamOrder(small).map(({ path }) => path)).toEqual(order)
  })

  it('is cut into segments that give the runs again, whatever the packs', () => {
    fc.assert(
      fc.property(files, fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1 }), (list, cuts) => {
        const ordered = streamOrder(list)
        let turn = 0
        const segments = runsOf(ordered).flatMap((run) => {
          const pieces: { pack: DataPackRef; offset: number; plain: number }[] = []
          for (let left = run.bytes; left > 0;) {
            const plain = Math.min(left, (cuts[turn++ % cuts.length] ?? 1) << 20)
            pieces.push({ pack: pack(), offset: 128, plain })
            left -= plain
          }
          return pieces
        })
        const entries = ordered.map(({ path, size }) => [path, size] as const)
        const found = segmentsOfRuns(entries, segments)
        expect(found.flatMap((run) => run.segments)).toEqual(segments)
        expect(found.map((run) => run.segments.reduce((sum, one) => sum + one.plain, 0))).toEqual(
          runsOf(ordered).map((run) => run.bytes),
        )
        for (const segment of segments) {
          const frames = framesOf(segment)
          expect(frames.reduce((sum, frame) => sum + frame.length, 0)).toBe(storedLength(segment))
          expect(frames.reduce((sum, frame) => sum + frame.plain, 0)).toBe(segment.plain)
        }
      }),
    )
  })
})
