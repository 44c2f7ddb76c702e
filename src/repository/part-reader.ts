import { Corrupt } from '../core/corrupt.ts'
import { PermafrostError } from '../core/errors.ts'
import { layout } from '../core/layout.ts'
import type { DataPackRef, PartEntry } from '../core/manifest.ts'
import { framesOf } from '../core/part-stream.ts'
import type { FrameSpan } from '../core/part-stream.ts'
import type { Range } from '../storage/storage.ts'
import { packCipher } from './pack-format.ts'
import type { PackCipher } from './pack-format.ts'
import type { Repository } from './repository.ts'
import { sessionKeys } from './session.ts'

/** A file of a part, where it lies in the part's stream. */
export interface StoredFile {
  readonly part: PartEntry
  readonly path: string
  /** Where it begins in the stream. */
  readonly start: number
  readonly size: number
}

/** Reads stretches of files out of packs. */
export interface PartReader {
  /**
   * The bytes, a frame at a time; each frame is decrypted and checked before a byte of it is given out.
   *
   * @throws DAMAGED naming part, file and pack
   */
  read(file: StoredFile, range: Range): AsyncGenerator<Uint8Array>
}

export interface PartReaderOptions {
  /** Bytes of opened frames to keep. */
  readonly memory: number
  readonly signal: AbortSignal
  /** Called before bytes are fetched; what it throws, the read throws. */
  readonly onFetch: (bytes: number) => void
}

/** A reader who goes on gets up to this many frames at a time; the first comes alone, for most readers want no more. */
const MOST_AHEAD = 8

interface Span extends FrameSpan {
  readonly pack: DataPackRef
  /** Where its first byte lies in the part's stream. */
  readonly start: number
}

/** The files of a part, in stream order. */
export function storedFiles(part: PartEntry): readonly StoredFile[] {
  let start = 0
  return part.files.map(([path, size]) => {
    const file = { part, path, start, size }
    start += size
    return file
  })
}

/** A reader of any file of any part, with a bounded cache. */
export function partReader(repository: Repository, options: PartReaderOptions): PartReader {
  const cipherOf = packCiphers(repository)
  const cache = frameCache(options.memory)

  const fetch = async (spans: readonly [Span, ...Span[]]): Promise<Uint8Array> => {
    const [first] = spans
    const last = spans.at(-1) ?? first
    const range = { offset: first.offset, length: last.offset + last.length - first.offset }
    options.onFetch(range.length)
    const key = layout.packs.key(first.pack.id)
    const bytes = await repository.storage.get(key, { range, signal: options.signal })
    if (bytes?.length === range.length) return bytes
    throw new Corrupt(`pack ${first.pack.id} is missing or cut short`)
  }
  const open = async (span: Span, { from, bytes }: { readonly from: number; readonly bytes: Promise<Uint8Array> }) => {
    const sealed = (await bytes).subarray(span.offset - from, span.offset - from + span.length)
    try {
      const plain = (await cipherOf(span.pack)).open(sealed, { offset: span.offset, role: 'body' })
      if (plain.length === span.plain) return plain
      throw new Corrupt('frame has another length')
    } catch (error) {
      if (error instanceof Corrupt) throw new Corrupt(`${error.message} in pack ${span.pack.id}`)
      throw error
    }
  }
  /** Frames of one pack, in a row: those that are not in the cache come by one request. */
  const openAll = (spans: readonly Span[]): Promise<readonly Uint8Array[]> => {
    const [first, ...rest] = spans.slice(
      spans.findIndex((span) => !cache.has(span)),
      spans.findLastIndex((span) => !cache.has(span)) + 1,
    )
    if (first) {
      const bytes = fetch([first, ...rest])
      for (const span of [first, ...rest]) cache.add(span, open(span, { from: first.offset, bytes }))
    }
    return Promise.all(spans.map((span) => cache.get(span)))
  }

  return {
    read: async function* read(file, { offset, length }) {
      const begin = file.start + offset
      const end = begin + length
      let ahead = 1
      for (let rest = spansOf(file.part, begin, end); rest.length > 0; ahead = Math.min(MOST_AHEAD, ahead * 2)) {
        const together = inARow(rest).slice(0, ahead)
        const frames = await openAll(together).catch((error: unknown) => {
          throw error instanceof Corrupt ? damagedFile(file, error) : error
        })
        for (const [index, span] of together.entries())
          yield (frames[index] as Uint8Array).subarray(Math.max(0, begin - span.start), end - span.start)
        rest = rest.slice(together.length)
      }
    },
  }
}

function damagedFile({ part, path }: StoredFile, cause: Corrupt): PermafrostError {
  return new PermafrostError('DAMAGED', `${part.name} ${path}: ${cause.message}`, {
    hint: 'permafrost verify names everything that is damaged; another backup may hold the part',
    detail: { part: part.name, file: path },
    cause,
  })
}

/** The frames that hold these bytes of a part's stream. */
function spansOf(part: PartEntry, begin: number, end: number): readonly Span[] {
  const spans: Span[] = []
  let start = 0
  for (const segment of part.segments) {
    if (start < end && start + segment.plain > begin) {
      let at = start
      for (const frame of framesOf(segment)) {
        if (at < end && at + frame.plain > begin) spans.push({ ...frame, pack: segment.pack, start: at })
        at += frame.plain
      }
    }
    start += segment.plain
  }
  return spans
}

/** From the first on, those that follow one another in its pack. */
function inARow(spans: readonly Span[]): readonly Span[] {
  const broken = spans.findIndex((span, index) => {
    const last = spans[index - 1]
    return last !== undefined && (last.pack.id !== span.pack.id || last.offset + last.length !== span.offset)
  })
  return broken < 0 ? spans : spans.slice(0, broken)
}

function packCiphers(repository: Repository): (pack: DataPackRef) => Promise<PackCipher> {
  const keyOf = sessionKeys(repository)
  const known = new Map<string, Promise<PackCipher>>()
  const make = async ({ session, salt }: DataPackRef): Promise<PackCipher> => {
    const key = await keyOf(session)
    return packCipher({ kind: 'data', suite: repository.keys.suite, session, salt }, { head: key, body: key })
  }
  return (pack) => {
    const found = known.get(pack.id) ?? make(pack)
    known.set(pack.id, found)
    return found
  }
}

/** Opened frames, the least recently used first to go. Readers of one frame wait for one fetch. */
function frameCache(limit: number) {
  const frames = new Map<string, { readonly plain: number; readonly bytes: Promise<Uint8Array> }>()
  let held = 0
  const keyOf = ({ pack, offset }: Span) => `${pack.id} ${offset}`
  const drop = (key: string): void => {
    held -= frames.get(key)?.plain ?? 0
    frames.delete(key)
  }
  return {
    has: (span: Span) => frames.has(keyOf(span)),
    get: (span: Span): Promise<Uint8Array> => {
      const key = keyOf(span)
      const frame = frames.get(key) as { readonly plain: number; readonly bytes: Promise<Uint8Array> }
      frames.delete(key)
      frames.set(key, frame)
      return frame.bytes
    },
    add: (span: Span, bytes: Promise<Uint8Array>): void => {
      const key = keyOf(span)
      drop(key)
      frames.set(key, { plain: span.plain, bytes })
      held += span.plain
      // What could not be read is asked for again; the reader at hand learns of it.
      bytes.catch(() => drop(key))
      // The newest stay whatever the limit: somebody is about to read them.
      for (const old of [...frames.keys()].slice(0, -MOST_AHEAD)) {
        if (held <= limit) break
        drop(old)
      }
    },
  }
}
