import { Corrupt } from '../core/corrupt.ts'
import type { Segment } from '../core/manifest.ts'
import { FRAME, storedLength } from '../core/part-stream.ts'
import { packCipher } from './pack-format.ts'
import type { PackSecrets } from './pack-format.ts'
import { packWriter } from './pack-writer.ts'
import type { FinishedPack, PackWriter } from './pack-writer.ts'
import { deriveKey } from './seal.ts'
import type { Suite } from './seal.ts'

/** Whose packs are made, and how. */
export interface PackJob {
  readonly session: string
  readonly suite: Suite
  readonly dataKey: Uint8Array
  /** 32 random bytes; the salts of this job's packs are derived from it. */
  readonly seed: Uint8Array
  /** Bytes of plaintext in a full pack. */
  readonly target: number
  readonly compression?: Compression | undefined
}

/** `auto` compresses the runs whose first frame shows that it is worth it. */
export type Compression = 'off' | 'auto'

/** What a run must save at least: less is not worth the time to compress it, and to decompress it in every restore. */
const WORTH = 0.08

/** The side that puts packs. */
export interface PackSink {
  /** A buffer for the next pack; waits while all of them are on their way. Rejects when a put has failed. */
  buffer(): Promise<ArrayBufferLike>
  /** Settles when the pack is stored; its buffer goes back to where it came from. */
  put(pack: FinishedPack): Promise<void>
}

/** A run of files on its way into packs: a frame is gathered in the arena and sealed when it is full. */
export interface Run {
  /** Where the next bytes of the frame go. */
  space(): Promise<{ readonly offset: number; readonly length: number }>
  filled(arena: Uint8Array, bytes: number): void
  end(): Promise<() => readonly Segment[]>
}

export interface PackChain {
  beginRun(label: string): Run
  abandonRun(): void
  close(): Promise<void>
}

interface OpenPack {
  readonly writer: PackWriter
  readonly salt: string
  /** Filled in when the pack is finished. */
  finished?: { readonly id: string; readonly bytes: number }
}

/**
 * Runs of files as segments of packs, one pack after another: a full one is on its way while the next is filled. Segments name
 * their packs by what these contain, so they are known once the chain is closed.
 */
export function packChain(job: PackJob, sink: PackSink): PackChain {
  const secrets: PackSecrets = { head: job.dataKey, body: job.dataKey }
  let open: OpenPack | undefined
  const puts: Promise<void>[] = []
  let count = 0
  let arena: Uint8Array | undefined
  let fill = 0
  let label = ''
  let stream = 0
  let compress = false
  let segments: { readonly pack: OpenPack; readonly offset: number; plain: number; readonly frames: number[] }[] = []

  const begin = async (): Promise<OpenPack> => {
    const salt = deriveKey(job.seed, Buffer.alloc(0), { info: `pack salt ${count++}` }).toString('hex')
    const cipher = packCipher({ kind: 'data', suite: job.suite, session: job.session, salt }, secrets)
    return { writer: packWriter(await sink.buffer(), cipher, job.target), salt }
  }

  const finish = (): void => {
    if (!open) return
    const pack = open
    open = undefined
    const { id, bytes } = pack.writer.finish()
    pack.finished = { id, bytes: bytes.length }
    const put = sink.put({ id, bytes })
    // Awaited at the end of the job, so that the next pack is read and sealed while this one travels.
    put.catch(() => undefined)
    puts.push(put)
  }

  const flush = async (): Promise<void> => {
    if (fill === 0 || !arena) return
    if (open && !open.writer.fits(fill)) finish()
    open ??= await begin()
    const offset = open.writer.add(arena.subarray(0, fill), { role: 'body', compress })
    const stored = open.writer.end - offset
    if (stream === 0) compress &&= stored <= fill * (1 - WORTH)
    const last = segments.at(-1)
    if (last?.pack === open) {
      last.plain += fill
      last.frames.push(stored)
    } else {
      open.writer.note(JSON.stringify([label, stream, offset]))
      segments.push({ pack: open, offset, plain: fill, frames: [stored] })
    }
    stream += fill
    fill = 0
  }

  const toSegment = ({ pack, offset, plain, frames }: (typeof segments)[number]): Segment => {
    if (!pack.finished) throw new Corrupt('a segment lies in a pack that was never finished')
    return {
      pack: { id: pack.finished.id, bytes: pack.finished.bytes, session: job.session, salt: pack.salt },
      offset,
      plain,
      ...(storedLength({ plain, frames }) !== storedLength({ plain }) && { frames }),
    }
  }

  return {
    close: async () => {
      finish()
      await Promise.all(puts)
    },
    abandonRun: () => {
      fill = 0
    },
    beginRun: (name) => {
      label = name
      fill = 0
      stream = 0
      compress = job.compression === 'auto'
      segments = []
      return {
        space: async () => {
          if (fill === FRAME) await flush()
          return { offset: fill, length: FRAME - fill }
        },
        filled: (bytes, length) => {
          arena = bytes
          fill += length
        },
        end: async () => {
          await flush()
          const mine = segments
          return () => mine.map(toSegment)
        },
      }
    },
  }
}
