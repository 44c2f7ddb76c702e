import { join } from 'node:path'
import { createCityHash } from '../core/cityhash.ts'
import type { CityHash, Hash128 } from '../core/cityhash.ts'
import { Corrupt } from '../core/corrupt.ts'
import type { Disk } from '../core/disk.ts'
import type { Segment } from '../core/manifest.ts'
import { FRAME } from '../core/part-stream.ts'
import { packCipher } from './pack-format.ts'
import type { PackSecrets } from './pack-format.ts'
import { packWriter } from './pack-writer.ts'
import type { PackWriter } from './pack-writer.ts'
import { deriveKey } from './seal.ts'
import type { Suite } from './seal.ts'

/** Files to store, in stream order: one run or several of a part. */
export interface StoreItem {
  /** The part's directory in the shadow. */
  readonly directory: string
  /** For the footer, so that a pack tells without its manifest what it holds: table and part. */
  readonly label: string
  /** Runs: the small files together, or one large file each. */
  readonly runs: readonly (readonly FileToStore[])[]
}

export interface FileToStore {
  readonly path: string
  readonly size: number
  /** What the part's `checksums.txt` has for it. */
  readonly hash?: Hash128
}

export interface StoreJob {
  readonly items: readonly StoreItem[]
  readonly session: string
  readonly suite: Suite
  readonly dataKey: Uint8Array
  /** 32 random bytes; the salts of this job's packs are derived from it. */
  readonly seed: Uint8Array
  /** Bytes of plaintext in a full pack. */
  readonly target: number
}

/** What became of an item. */
export type StoreResult =
  | { readonly outcome: 'stored'; readonly runs: readonly (readonly Segment[])[]; readonly suspect: readonly string[] }
  | { readonly outcome: 'unreadable'; readonly message: string }

/** The side that puts packs. */
export interface PackSink {
  /** A buffer for the next pack; waits while all of them are on their way. Rejects when a put has failed. */
  buffer(): Promise<ArrayBuffer>
  /** Settles when the pack is stored; its buffer goes back to where it came from. */
  put(pack: { readonly id: string; readonly bytes: Uint8Array<ArrayBuffer> }): Promise<void>
}

/**
 * The data path, inwards: read each file once into WASM memory, hash it there as ClickHouse does, seal it a megabyte at a
 * time into a pack in memory, and hand the pack on. What differs from `checksums.txt` is stored as it is and reported.
 */
export async function storeParts(
  job: StoreJob,
  { disk, sink }: { readonly disk: Disk; readonly sink: PackSink },
): Promise<readonly StoreResult[]> {
  const packs = packChain(job, sink)
  const hasher = createCityHash(FRAME)
  const results: (() => StoreResult)[] = []
  for (const item of job.items) {
    const stored = await storeItem(item, { disk, hasher, packs })
    results.push(stored)
  }
  await packs.close()
  // Segments name their packs by what these contain, so only now are the names known.
  return results.map((result) => result())
}

interface Within {
  readonly disk: Disk
  readonly hasher: CityHash
  readonly packs: PackChain
}

async function storeItem(item: StoreItem, within: Within): Promise<() => StoreResult> {
  const runs: (() => readonly Segment[])[] = []
  const suspect: string[] = []
  try {
    for (const files of item.runs) {
      const run = within.packs.beginRun(`${item.label}/${files[0]?.path ?? ''}`)
      for (const file of files)
        suspect.push(...(await storeFile(join(item.directory, file.path), file, { ...within, run })))
      runs.push(await run.end())
    }
  } catch (error) {
    // An unreadable sector loses this part, not the backup. Bytes of it that are in a pack already stay there, unreferenced.
    within.packs.abandonRun()
    if (error instanceof SourceError) return () => ({ outcome: 'unreadable', message: error.message })
    throw error
  }
  return () => ({ outcome: 'stored', runs: runs.map((run) => run()), suspect })
}

/** The source could not be read, or changed while it was: part files never change, so something else is wrong. */
class SourceError extends Error {}

async function storeFile(
  path: string,
  file: FileToStore,
  { disk, hasher, run }: Within & { readonly run: Run },
): Promise<readonly string[]> {
  const handle = source(file.path, () => disk.open(path, 'read'))
  try {
    hasher.fileBegin()
    for (let left = file.size; left > 0;) {
      const space = await run.space()
      const piece = hasher.arena.subarray(space.offset, space.offset + Math.min(left, space.length))
      const got = source(file.path, () => disk.readInto(handle, piece))
      if (got === 0) throw new SourceError(`${file.path} ends ${left} bytes early`)
      hasher.fileUpdate(space.offset, got)
      run.filled(hasher.arena, got)
      left -= got
    }
    const hash = hasher.fileEnd()
    const expected = file.hash === NO_HASH ? undefined : file.hash
    return expected === undefined || expected === hash ? [] : [`${file.path} fails its checksum in checksums.txt`]
  } finally {
    disk.close(handle)
  }
}

/** Some index files are listed without a hash. */
const NO_HASH = '0'.repeat(32)

function source<T>(path: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    throw new SourceError(`${path} cannot be read: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    })
  }
}

/** A run of files on its way into packs: a frame is gathered in the arena and sealed when it is full. */
interface Run {
  /** Where the next bytes of the frame go. */
  space(): Promise<{ readonly offset: number; readonly length: number }>
  filled(arena: Uint8Array, bytes: number): void
  end(): Promise<() => readonly Segment[]>
}

interface PackChain {
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

function packChain(job: StoreJob, sink: PackSink): PackChain {
  const secrets: PackSecrets = { head: job.dataKey, body: job.dataKey }
  let open: OpenPack | undefined
  const puts: Promise<void>[] = []
  let count = 0
  let arena: Uint8Array | undefined
  let fill = 0
  let label = ''
  let stream = 0
  let segments: { readonly pack: OpenPack; readonly offset: number; plain: number }[] = []

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
    const offset = open.writer.add(arena.subarray(0, fill), { role: 'body' })
    const last = segments.at(-1)
    if (last?.pack === open) last.plain += fill
    else {
      open.writer.note(JSON.stringify([label, stream, offset]))
      segments.push({ pack: open, offset, plain: fill })
    }
    stream += fill
    fill = 0
  }

  const toSegment = ({ pack, offset, plain }: (typeof segments)[number]): Segment => {
    if (!pack.finished) throw new Corrupt('a segment lies in a pack that was never finished')
    return {
      pack: { id: pack.finished.id, bytes: pack.finished.bytes, session: job.session, salt: pack.salt },
      offset,
      plain,
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
