import { Corrupt } from '../core/corrupt.ts'
import type { DataPackRef, Segment } from '../core/manifest.ts'
import { framesOf } from '../core/part-stream.ts'
import type { FrameSpan } from '../core/part-stream.ts'
import { MIB } from '../core/units.ts'
import { packCipher } from './pack-format.ts'
import type { PackCipher, PackKind } from './pack-format.ts'
import { checkerArena } from './part-checker.ts'
import type { Suite } from './seal.ts'

/** What opens packs. */
export interface Opening {
  readonly suite: Suite
  /** By session. */
  readonly dataKeys: Readonly<Record<string, Uint8Array>>
}

/** A data pack, unless it says that it is a meta pack. */
export interface PackToFetch {
  readonly id: string
  readonly kind?: PackKind
}

/** The side that gets ranges of packs; a pack that is missing or too short is a problem of the parts in it, not an error. */
export interface PackSource {
  fetch(
    pack: PackToFetch,
    range: { readonly offset: number; readonly length: number },
  ): Promise<Uint8Array<ArrayBuffer> | undefined>
  /** Nobody looks at these bytes any more. */
  readonly done?: (bytes: Uint8Array<ArrayBuffer>) => void
}

/** Ranges are fetched this much at a time, one ahead of the one at hand. */
const CHUNK = 8 * MIB
/** Frames with less than this between them come by one request. */
const GAP = 64 * 1024

/** A frame's plaintext, there until the next frame is asked for, or why there is none. */
export type OpenedFrame =
  | { readonly outcome: 'opened'; readonly plain: Uint8Array }
  | { readonly outcome: 'lost'; readonly length: number; readonly why: string }

/** The frames of the next of the runs, in order. */
export type OpenFrames = () => AsyncIterable<OpenedFrame>

/**
 * Fetches and opens the frames of runs, a chunk ahead of the one at hand: what lies side by side comes by one request, small
 * parts together.
 */
export function openFrames(
  runs: readonly { readonly segments: readonly Segment[] }[],
  opening: Opening,
  source: PackSource,
): OpenFrames {
  const cipherOf = packCiphers(opening)
  const counts = runs
    .map(({ segments }) => segments.reduce((sum, segment) => sum + framesOf(segment).length, 0))
    .values()
  const fetched = fetchFrames(
    runs.flatMap(({ segments }) => segments),
    source,
  )
  return async function* frames() {
    for (let left = counts.next().value ?? 0; left > 0; left--) {
      const { pack, frame, bytes } = (await fetched.next()).value as FetchedFrame
      const cipher = cipherOf(pack)
      const first = openFrame(cipher, frame, bytes)
      // The way may have spoilt it: only what is wrong twice is wrong in the store.
      const isWrong = bytes !== undefined && first instanceof Corrupt
      const plain = isWrong ? openFrame(cipher, frame, await source.fetch(pack, frame)) : first
      if (plain instanceof Uint8Array) yield { outcome: 'opened', plain }
      else {
        const why = bytes ? `${plain.message} in pack ${pack.id}` : `pack ${pack.id} is missing or cut short`
        yield { outcome: 'lost', length: frame.plain, why }
      }
    }
  }
}

function openFrame(cipher: PackCipher, frame: FrameSpan, bytes: Uint8Array | undefined): Uint8Array | Corrupt {
  if (!bytes) return new Corrupt('missing')
  try {
    const plain = cipher.open(bytes, { offset: frame.offset, role: 'body' }, checkerArena)
    return plain.length === frame.plain ? plain : new Corrupt('has another length')
  } catch (error) {
    if (error instanceof Corrupt) return error
    throw error
  }
}

interface FetchedFrame {
  readonly pack: DataPackRef
  readonly frame: FrameSpan
  /** Absent when the pack is missing or too short. */
  readonly bytes: Uint8Array | undefined
}

/** Frames in order, fetched a chunk ahead. */
async function* fetchFrames(segments: readonly Segment[], source: PackSource): AsyncGenerator<FetchedFrame, undefined> {
  const chunks = chunksOf(segments)
  const fetch = (index: number) => {
    const chunk = chunks[index]
    const bytes = chunk && source.fetch(chunk.pack, chunk)
    bytes?.catch(() => undefined)
    return bytes
  }
  let next = fetch(0)
  for (const [index, chunk] of chunks.entries()) {
    const bytes = await next
    next = fetch(index + 1)
    for (const frame of chunk.frames) {
      const start = frame.offset - chunk.offset
      yield {
        pack: chunk.pack,
        frame,
        bytes: bytes && bytes.length >= start + frame.length ? bytes.subarray(start, start + frame.length) : undefined,
      }
    }
    if (bytes) source.done?.(bytes)
  }
}

interface Chunk {
  readonly pack: DataPackRef
  readonly offset: number
  length: number
  readonly frames: FrameSpan[]
}

function chunksOf(segments: readonly Segment[]): readonly Chunk[] {
  const chunks: Chunk[] = []
  const frames = segments.flatMap((segment) => framesOf(segment).map((frame) => ({ pack: segment.pack, frame })))
  for (const { pack, frame } of frames) {
    const last = chunks.at(-1)
    if (last && last.pack.id === pack.id && isNear(last, frame)) {
      last.frames.push(frame)
      last.length = frame.offset + frame.length - last.offset
    } else chunks.push({ pack, offset: frame.offset, length: frame.length, frames: [frame] })
  }
  return chunks
}

function isNear({ offset, length }: Chunk, frame: FrameSpan): boolean {
  const gap = frame.offset - offset - length
  return gap >= 0 && gap <= GAP && frame.offset + frame.length - offset <= CHUNK
}

function packCiphers({ suite, dataKeys }: Opening): (pack: DataPackRef) => PackCipher {
  const known = new Map<string, PackCipher>()
  return (pack) => {
    const found = known.get(pack.id)
    if (found) return found
    const key = dataKeys[pack.session]
    if (!key) throw new Error(`no data key for session ${pack.session}`)
    const cipher = packCipher({ kind: 'data', suite, session: pack.session, salt: pack.salt }, { head: key, body: key })
    known.set(pack.id, cipher)
    return cipher
  }
}
