import { createCityHash } from '../core/cityhash.ts'
import type { CityHash, Hash128 } from '../core/cityhash.ts'
import type { Disk } from '../core/disk.ts'
import type { Segment } from '../core/manifest.ts'
import { FRAME } from '../core/part-stream.ts'
import { packChain } from './pack-chain.ts'
import type { PackChain, PackJob, PackSink, Run } from './pack-chain.ts'

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

export interface StoreJob extends PackJob {
  readonly items: readonly StoreItem[]
}

/** What became of an item. */
export type StoreResult =
  | { readonly outcome: 'stored'; readonly runs: readonly (readonly Segment[])[]; readonly suspect: readonly string[] }
  | { readonly outcome: 'unreadable'; readonly message: string }

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
        suspect.push(...(await storeFile(`${item.directory}/${file.path}`, file, { ...within, run })))
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
      hasher.fileUpdate(piece.subarray(0, got))
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
