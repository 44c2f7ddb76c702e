import { Corrupt, must } from './corrupt.ts'
import { safeName, safePath } from './manifest.ts'
import type { DataPackRef, FileIdentity, PackRef, PartEntry, PartFile, Pointer, Segment } from './manifest.ts'
import { storedLength } from './part-stream.ts'

// How blocks are written down. Objects that hold pointers list the packs once and point to them by number; decoding checks
// every value, because a block may come out of a repository that somebody else can write to.

/** What a block reaches, for a reader without names: sealed with the list key. */
export interface BlockHead {
  readonly packs: readonly PackUse[]
  /** Whose data keys open these packs. */
  readonly sessions: readonly string[]
  readonly blocks: readonly Pointer[]
}

/** A data pack that a block reaches. */
export interface PackUse {
  readonly id: string
  /** Bytes of the object. */
  readonly bytes: number
  /** Stored bytes that this block's segments take of it. */
  readonly live: number
}

export const EMPTY_HEAD: BlockHead = { packs: [], sessions: [], blocks: [] }

/** Numbers packs in the order in which they are first pointed to. */
export function packTable<T extends PackRef>(): { readonly packs: readonly T[]; indexOf(pack: T): number } {
  const indexes = new Map<string, number>()
  const packs: T[] = []
  return {
    packs,
    indexOf: (pack) => {
      const known = indexes.get(pack.id)
      if (known !== undefined) return known
      indexes.set(pack.id, packs.length)
      return packs.push(pack) - 1
    },
  }
}

export type EncodedRef = readonly [id: string, session: string, salt: string]
export type EncodedPointer = readonly [pack: number, offset: number, head: number, body: number]

export function encodeRefs(packs: readonly PackRef[]): readonly EncodedRef[] {
  return packs.map(({ id, session, salt }) => [id, session, salt])
}

export function decodeRefs(value: unknown): readonly PackRef[] {
  return list(value, 'packs').map((row) => {
    const [id, session, salt] = list(row, 'pack')
    return { id: hex(id, 64), session: hex(session, 32), salt: hex(salt, 64) }
  })
}

export function encodePointer(pointer: Pointer, table: { indexOf(pack: PackRef): number }): EncodedPointer {
  return [table.indexOf(pointer.pack), pointer.offset, pointer.head, pointer.body]
}

export function decodePointer(value: unknown, packs: readonly PackRef[]): Pointer {
  const [index, offset, head, body] = list(value, 'pointer')
  return { pack: at(packs, index), offset: count(offset), head: count(head), body: count(body) }
}

export function encodeHead({ packs, sessions, blocks }: BlockHead): string {
  const table = packTable<PackRef>()
  const pointers = blocks.map((block) => encodePointer(block, table))
  return JSON.stringify({
    packs: packs.map(({ id, bytes, live }) => [id, bytes, live]),
    sessions,
    metas: encodeRefs(table.packs),
    blocks: pointers,
  })
}

/** @throws Corrupt */
export function decodeHead(json: string): BlockHead {
  const { packs, sessions, metas, blocks } = object(parse(json))
  const refs = decodeRefs(metas)
  return {
    packs: list(packs, 'packs').map((row) => {
      const [id, bytes, live] = list(row, 'pack')
      return { id: hex(id, 64), bytes: count(bytes), live: count(live) }
    }),
    sessions: list(sessions, 'sessions').map((session) => hex(session, 32)),
    blocks: list(blocks, 'blocks').map((pointer) => decodePointer(pointer, refs)),
  }
}

/** A block of parts: what it reaches, and its body of one line for the packs' keys and one line for each part. */
export function encodeParts(parts: readonly PartEntry[]): { readonly head: BlockHead; readonly body: string } {
  const packs = [...new Map(parts.flatMap((part) => part.segments).map(({ pack }) => [pack.id, pack])).values()]
  packs.sort((a, b) => (a.id < b.id ? -1 : 1))
  const table = packTable<DataPackRef>()
  for (const pack of packs) table.indexOf(pack)
  const live = new Map<string, number>()
  for (const segment of parts.flatMap((part) => part.segments)) {
    live.set(segment.pack.id, (live.get(segment.pack.id) ?? 0) + storedLength(segment))
  }
  const sessions = [...new Set(packs.map((pack) => pack.session))]
  const first = { packs: packs.map((pack) => [sessions.indexOf(pack.session), pack.salt]) }
  const lines = parts.map((part) => encodePart(part, (pack) => table.indexOf(pack)))
  return {
    head: { packs: packs.map(({ id, bytes }) => ({ id, bytes, live: live.get(id) ?? 0 })), sessions, blocks: [] },
    body: [JSON.stringify(first), ...lines].join('\n'),
  }
}

/** @throws Corrupt */
export function decodeParts(head: BlockHead, body: string): readonly PartEntry[] {
  const [first = '', ...lines] = body.split('\n')
  const { packs } = object(parse(first))
  const rows = list(packs, 'packs')
  must(rows.length === head.packs.length, 'block lists another number of packs in its body than in its head')
  const refs = rows.map((row, index): DataPackRef => {
    const [session, salt] = list(row, 'pack')
    const { id, bytes } = at(head.packs, index)
    return { id, bytes, session: at(head.sessions, session), salt: hex(salt, 64) }
  })
  return lines.map((line) => decodePart(line, refs))
}

function encodePart(part: PartEntry, indexOf: (pack: DataPackRef) => number): string {
  const { segments, identities, ...rest } = part
  return JSON.stringify({
    ...rest,
    segments: segments.map((segment) => [
      indexOf(segment.pack),
      segment.offset,
      segment.plain,
      ...(segment.frames ? [segment.frames] : []),
    ]),
    ...(identities && { identities: identities.map((it) => [it.path, it.device, it.inode, it.modified, it.hash]) }),
  })
}

function decodePart(line: string, packs: readonly DataPackRef[]): PartEntry {
  const value = object(parse(line))
  const files = list(value['files'], 'files').map((row): PartFile => {
    const [path, size] = list(row, 'file')
    return [safePath(string(path)), count(size)]
  })
  const segments = list(value['segments'], 'segments').map((row): Segment => decodeSegment(row, packs))
  const bytes = count(value['bytes'])
  const sum = (numbers: readonly number[]) => numbers.reduce((total, number) => total + number, 0)
  must(sum(files.map(([, size]) => size)) === bytes, 'part has files of another size than it says')
  must(sum(segments.map(({ plain }) => plain)) === bytes, 'part has segments of another size than its files')
  return {
    name: safeName(string(value['name'])),
    k: hex(value['k'], 64),
    rows: count(value['rows']),
    bytes,
    disk: string(value['disk']),
    files,
    segments,
    ...(value['hash'] !== undefined && { hash: hex(value['hash'], 32) }),
    ...(value['identities'] !== undefined && {
      identities: list(value['identities'], 'identities').map(decodeIdentity),
    }),
    ...(value['encrypted'] === true && { encrypted: true }),
    ...(value['suspect'] !== undefined && { suspect: list(value['suspect'], 'suspect').map(string) }),
  }
}

function decodeSegment(row: unknown, packs: readonly DataPackRef[]): Segment {
  const [index, offset, plain, frames] = list(row, 'segment')
  const segment = { pack: at(packs, index), offset: count(offset), plain: count(plain) }
  must(
    segment.offset + segment.plain <= segment.pack.bytes || frames !== undefined,
    'segment runs over the end of its pack',
  )
  return frames === undefined ? segment : { ...segment, frames: list(frames, 'frames').map(count) }
}

function decodeIdentity(row: unknown): FileIdentity {
  const [path, device, inode, modified, hash] = list(row, 'identity')
  return {
    path: safePath(string(path)),
    device: count(device),
    inode: count(inode),
    modified: string(modified),
    hash: hex(hash, 32),
  }
}

export function parse(json: string): unknown {
  try {
    return JSON.parse(json)
  } catch (error) {
    throw new Corrupt('block is not JSON', { cause: error })
  }
}

export function object(value: unknown): Readonly<Record<string, unknown>> {
  must(
    typeof value === 'object' && value !== null && !Array.isArray(value),
    'block holds something else than an object',
  )
  return value as Record<string, unknown>
}

export function list(value: unknown, what: string): readonly unknown[] {
  must(Array.isArray(value), `block has no list of ${what}`)
  return value
}

export function string(value: unknown): string {
  must(typeof value === 'string', 'block holds something else than a string')
  return value
}

export function count(value: unknown): number {
  must(
    typeof value === 'number' && Number.isSafeInteger(value) && value >= 0,
    'block holds something else than a count',
  )
  return value
}

export function hex(value: unknown, digits: number): string {
  must(
    typeof value === 'string' && value.length === digits && /^[0-9a-f]*$/.test(value),
    'block holds something else than a hash',
  )
  return value
}

function at<T>(items: readonly T[], index: unknown): T {
  const item = items[count(index)]
  must(item !== undefined, 'block points outside its list')
  return item
}
