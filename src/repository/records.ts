import zlib from 'node:zlib'
import { Corrupt, must } from '../core/corrupt.ts'
import { decompress } from './pack-format.ts'
import { aead, deriveKey, sha256 } from './seal.ts'
import type { Keys } from './keys.ts'

/** Larger records are refused before they are parsed. */
export const MAX_RECORD = 1 << 20

/** Who may read a section: anyone, the holder of the list key, the holder of the metadata key. */
export type Reader = 'anyone' | 'list' | 'meta'

export interface Section {
  readonly name: string
  readonly reader: Reader
  readonly value: unknown
}

/** Which record this is: a kind, and the key that it lies at. Both are authenticated, so records cannot be exchanged. */
export interface RecordName {
  readonly kind: string
  readonly key: string
}

interface Header {
  readonly permafrost: 1
  readonly kind: string
  readonly salt: string
  readonly sections: readonly (readonly [name: string, reader: Reader])[]
}

/**
 * A small record: a header line, a line for each section, and the SHA-256 of all that as the last line, so that a record that
 * was cut short is no record. Sealed sections are zstd in AEAD in base64; open ones are JSON.
 *
 * @throws RangeError above 1 MiB
 */
export function encodeRecord(
  name: RecordName,
  sections: readonly Section[],
  sealing: { readonly keys: Keys; readonly random: (size: number) => Uint8Array },
): Uint8Array {
  const salt = Buffer.from(sealing.random(32)).toString('base64')
  const header: Header = {
    permafrost: 1,
    kind: name.kind,
    salt,
    sections: sections.map((section) => [section.name, section.reader]),
  }
  const first = JSON.stringify(header)
  const lines = sections.map(({ reader, value }, index) => {
    const json = JSON.stringify(value)
    const cipher = cipherOf(header, reader, sealing.keys)
    if (!cipher) return json
    const sealed = cipher.seal(zlib.zstdCompressSync(json), place({ name, first, index }))
    return Buffer.from(sealed).toString('base64')
  })
  const body = Buffer.from([first, ...lines, ''].join('\n'))
  const record = Buffer.concat([body, Buffer.from(lastLine(body))])
  if (record.length > MAX_RECORD) throw new RangeError(`record ${name.key} of ${record.length} bytes`)
  return record
}

/**
 * Read a record. Sections that these keys cannot open are absent from the result.
 *
 * @throws Corrupt when it is cut short, changed, of another kind, or lies under another key than it was written for
 */
export function decodeRecord(name: RecordName, record: Uint8Array, keys: Keys): ReadonlyMap<string, unknown> {
  must(record.length <= MAX_RECORD, 'record is larger than any record')
  // In bytes, not characters: names may hold any.
  const bytes = Buffer.from(record.buffer, record.byteOffset, record.length)
  const end = bytes.lastIndexOf('\n', -2) + 1
  must(end > 0 && bytes.toString('utf8', end) === lastLine(bytes.subarray(0, end)), 'record is cut short or changed')
  const [first = '', ...lines] = bytes.toString('utf8', 0, end - 1).split('\n')
  const header = parseHeader(first)
  must(header.kind === name.kind, `record is of kind ${header.kind}, not ${name.kind}`)
  must(header.sections.length === lines.length, 'record has another number of sections than it says')
  const values = header.sections.map(([section, reader], index): readonly [string, unknown] | undefined => {
    const line = lines[index] ?? ''
    if (reader !== 'anyone' && keys.suite !== 'none' && keys[reader].length === 0) return undefined
    const cipher = cipherOf(header, reader, keys)
    if (!cipher) return [section, parse(line)]
    const plain = cipher.open(Buffer.from(line, 'base64'), place({ name, first, index }))
    return [section, parse(Buffer.from(decompress(plain, 64 * MAX_RECORD)).toString())]
  })
  return new Map(values.filter((value) => value !== undefined))
}

function lastLine(body: Uint8Array): string {
  return `sha256:${sha256(body).toString('hex')}\n`
}

function cipherOf(header: Header, reader: Reader, keys: Keys) {
  if (reader === 'anyone' || keys.suite === 'none') return undefined
  return aead(keys.suite, deriveKey(keys[reader], Buffer.from(header.salt, 'base64'), { info: `record v1 ${reader}` }))
}

// A key of its own for every record and reader; the section's number keeps nonces apart below it.
function place({ name, first, index }: { readonly name: RecordName; readonly first: string; readonly index: number }) {
  const nonce = Buffer.alloc(12)
  nonce.writeUInt32BE(index, 8)
  return { nonce, context: [Buffer.from(`${name.key}\n${first}`)] }
}

function parseHeader(line: string): Header {
  const header = parse(line) as Partial<Header> | null
  must(header?.permafrost === 1, 'not a record of this version')
  const { kind, salt, sections } = header
  must(typeof kind === 'string' && typeof salt === 'string' && Array.isArray(sections), 'record has no header')
  const known = sections.every(
    (section) => Array.isArray(section) && ['anyone', 'list', 'meta'].includes(String(section[1])),
  )
  must(known, 'record has a section for an unknown reader')
  return { permafrost: 1, kind, salt, sections }
}

function parse(json: string): unknown {
  try {
    return JSON.parse(json)
  } catch (error) {
    throw new Corrupt('record is not JSON', { cause: error })
  }
}
