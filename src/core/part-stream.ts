import { CHECKSUMS_FILE } from './checksums.ts'
import type { PartFile, Segment } from './manifest.ts'
import { MIB } from './units.ts'

/** A file this large begins a segment of its own, so that a mutated part can point to it where it already lies. */
export const LARGE_FILE = MIB
/** Largest plaintext of a frame. Measured: AES-256-GCM in Node runs at 4.9 GB/s with 1 MiB, at 1.6 with 64 KiB. */
export const FRAME = MIB

/**
 * The order in which the files of a part make its stream: every `checksums.txt` first, so that a reader knows what to expect
 * of all that follows; then the other small files, and of these first what opens a part, then the marks, then data: a reader
 * who only opens it, as a query does with every part of a table, reads one frame; then the large ones. By path among equals.
 */
export function streamOrder<T extends { readonly path: string; readonly size: number }>(
  files: readonly T[],
): readonly T[] {
  return [...files].sort((a, b) => rank(a) - rank(b) || compare(a.path, b.path))
}

function rank(file: { readonly path: string; readonly size: number }): number {
  if (isChecksums(file.path)) return 0
  if (isLarge(file)) return 4
  if (/\.bin$|\bskp_idx_[^/]*\.idx\d?$/.test(file.path)) return 3
  return /\.c?mrk\d?$/.test(file.path) ? 2 : 1
}

function isLarge(file: { readonly path: string; readonly size: number }): boolean {
  return file.size >= LARGE_FILE && !isChecksums(file.path)
}

/** The part's own `checksums.txt`, or that of one of its projections. */
export function isChecksums(path: string): boolean {
  return path === CHECKSUMS_FILE || path.endsWith(`/${CHECKSUMS_FILE}`)
}

/** A run of files that may be stored or reused as a whole: all small files together, or one large file. */
export interface Run<T> {
  readonly files: readonly T[]
  readonly bytes: number
}

/** Cut files in stream order into runs. */
export function runsOf<T extends { readonly path: string; readonly size: number }>(
  files: readonly T[],
): readonly Run<T>[] {
  const small = files.filter((file) => !isLarge(file))
  const large = files.filter(isLarge)
  const runs = large.map((file) => ({ files: [file], bytes: file.size }))
  return small.length > 0 ? [{ files: small, bytes: small.reduce((sum, file) => sum + file.size, 0) }, ...runs] : runs
}

/** The segments that hold each run, where they hold it exactly: the reader's inverse of {@link runsOf}. */
export function segmentsOfRuns(
  files: readonly PartFile[],
  segments: readonly Segment[],
): readonly { readonly files: readonly PartFile[]; readonly segments: readonly Segment[] }[] {
  const runs = runsOf(files.map((file) => ({ file, path: file[0], size: file[1] })))
  let next = 0
  return runs.map((run) => {
    const mine: Segment[] = []
    for (let left = run.bytes; left > 0 && next < segments.length; next++) {
      const segment = segments[next] as Segment
      mine.push(segment)
      left -= segment.plain
    }
    return { files: run.files.map(({ file }) => file), segments: mine }
  })
}

/** One frame of a segment: where it lies in the pack, and how much of the part it holds. */
export interface FrameSpan {
  readonly offset: number
  readonly length: number
  readonly plain: number
}

/** The frames of a segment, in order: all of them hold 1 MiB, but the last. */
export function framesOf(segment: Segment): readonly FrameSpan[] {
  let { offset } = segment
  return Array.from({ length: frameCount(segment.plain) }, (_, index) => {
    const plain = Math.min(FRAME, segment.plain - index * FRAME)
    const span = { offset, length: segment.frames?.[index] ?? plain + FRAME_OVERHEAD, plain }
    offset += span.length
    return span
  })
}

/** Bytes of a segment in its pack: each frame adds its length and its tag. */
export function storedLength(segment: Pick<Segment, 'plain' | 'frames'>): number {
  return segment.frames
    ? segment.frames.reduce((sum, length) => sum + length, 0)
    : segment.plain + frameCount(segment.plain) * FRAME_OVERHEAD
}

function frameCount(plain: number): number {
  return Math.ceil(plain / FRAME)
}

/** u32 length in front, 16 bytes of tag behind. */
export const FRAME_OVERHEAD = 20

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
