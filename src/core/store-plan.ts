import type { Hash128 } from './cityhash.ts'
import type { FileIdentity, PartEntry, Segment } from './manifest.ts'
import { LARGE_FILE, runsOf, segmentsOfRuns } from './part-stream.ts'
import { parsePartName } from './part-name.ts'
import { MIB } from './units.ts'

/** A file of a part as it lies on a disk. */
export interface SourceFile {
  readonly path: string
  readonly size: number
  /** What `checksums.txt` has for it; absent for files that it does not list. */
  readonly hash?: Hash128
  readonly device: number
  readonly inode: number
  readonly modified: string
}

/** A run of a new part: in the repository already, or to be stored. */
export type PlannedRun =
  | { readonly action: 'reuse'; readonly segments: readonly Segment[]; readonly bytes: number }
  | { readonly action: 'store'; readonly files: readonly SourceFile[]; readonly bytes: number }

/** Where stored files are found again by their inode. */
export type StoredFiles = ReadonlyMap<
  string,
  { readonly identity: FileIdentity; readonly segments: readonly Segment[] }
>

/**
 * The large files of stored parts, by inode. A mutation hard-links the columns that it does not touch, so the new part's file
 * *is* the old one's.
 */
export function storedFiles(parts: readonly PartEntry[], usable: (segment: Segment) => boolean): StoredFiles {
  const found = new Map<string, { readonly identity: FileIdentity; readonly segments: readonly Segment[] }>()
  for (const part of parts) {
    if (part.suspect || !part.identities) continue
    const runs = new Map(segmentsOfRuns(part.files, part.segments).map((run) => [run.files[0]?.[0], run.segments]))
    for (const identity of part.identities) {
      const segments = runs.get(identity.path)
      if (segments?.every(usable)) found.set(inodeKey(identity), { identity, segments })
    }
  }
  return found
}

/**
 * Which runs of a new part must be stored. A file is reused when device, inode, size and time are those of a stored one *and*
 * both parts list the same hash for it; a hash alone never makes a reference.
 *
 * @param files in stream order
 */
export function planPart(files: readonly SourceFile[], stored: StoredFiles): readonly PlannedRun[] {
  return runsOf(files).map(({ files: run, bytes }): PlannedRun => {
    const [file, ...others] = run
    const known = file && others.length === 0 && bytes >= LARGE_FILE ? stored.get(inodeKey(file)) : undefined
    const size = known?.segments.reduce((sum, segment) => sum + segment.plain, 0)
    const same = known && file?.hash !== undefined && known.identity.hash === file.hash && size === file.size
    return same ? { action: 'reuse', segments: known.segments, bytes } : { action: 'store', files: run, bytes }
  })
}

/** The inodes of a part's large files, for the next backup. */
export function identitiesOf(files: readonly SourceFile[]): readonly FileIdentity[] {
  return files.flatMap(({ path, size, device, inode, modified, hash }) =>
    size >= LARGE_FILE && hash !== undefined ? [{ path, device, inode, modified, hash }] : [],
  )
}

/** A part with this much to store gets packs of its own: it will die alone. */
export const OWN_PACKS = 16 * MIB

/**
 * Which parts share packs: such as will probably die together, so that packs are live or dead as a whole and need no
 * repacking. Young parts of the newest partition are merged away within hours; large ones of closed months live for years.
 */
export function placementOf(part: { readonly name: string; readonly newest: boolean }): string {
  const level = parsePartName(part.name)?.level ?? 0
  const tier = level === 0 ? 'new' : level < 3 ? 'young' : 'old'
  return `${tier} ${part.newest ? 'open' : 'closed'}`
}

/** A pack with less than this in use is not reused: its parts are stored again, and it dies. The writer has the plaintext at hand, so this replaces repacking. */
const SELF_CLEAN = 0.5
/** Less than this of waste is not worth a request: header and footer alone are half of the smallest packs. */
const NEGLIGIBLE_WASTE = 256 * 1024

/** Is so much of a pack still in use that pointing to it is worth it? Both in bytes. */
export function isWorthReusing({ bytes, live }: { readonly bytes: number; readonly live: number }): boolean {
  return live >= bytes * SELF_CLEAN || bytes - live <= NEGLIGIBLE_WASTE
}

function inodeKey(file: { readonly device: number; readonly inode: number; readonly modified: string }): string {
  return `${file.device}:${file.inode}:${file.modified}`
}
