import type { PartFile, Segment } from '../core/manifest.ts'
import { FRAME } from '../core/part-stream.ts'
import { fileWriter } from './file-writer.ts'
import type { RunOfFiles } from './file-writer.ts'
import { openFrames } from './open-frames.ts'
import type { Opening, OpenFrames, PackSource } from './open-frames.ts'
import { packChain } from './pack-chain.ts'
import type { PackChain, PackJob, PackSink, Run } from './pack-chain.ts'
import { partChecker } from './part-checker.ts'

/** A part in one repository that is to be in another. */
export interface RecodeItem {
  /** For the footer: table and part. */
  readonly label: string
  readonly k: string
  /** All of the part's. */
  readonly files: readonly PartFile[]
  /** The runs that the other repository has not. */
  readonly runs: readonly RunOfFiles[]
}

export interface RecodeJob {
  readonly items: readonly RecodeItem[]
  readonly from: Opening
  readonly to: PackJob
}

/** What became of a part. */
export type RecodeResult =
  | { readonly outcome: 'stored'; readonly runs: readonly (readonly Segment[])[] }
  | { readonly outcome: 'damaged'; readonly problems: readonly string[] }

/**
 * The data path between repositories with different keys: open the frames of a part, check them as a restore does, and seal
 * them again. A part that is not what its manifest says is not passed on.
 */
export async function recodeParts(
  { items, from, to }: RecodeJob,
  { source, sink }: { readonly source: PackSource; readonly sink: PackSink },
): Promise<readonly RecodeResult[]> {
  const frames = openFrames(
    items.flatMap(({ runs }) => runs),
    from,
    source,
  )
  const packs = packChain(to, sink)
  const results: (() => RecodeResult)[] = []
  for (const item of items) results.push(await recodeItem(item, { frames, packs }))
  await packs.close()
  return results.map((result) => result())
}

async function recodeItem(
  { label, k, files: all, runs }: RecodeItem,
  { frames, packs }: { readonly frames: OpenFrames; readonly packs: PackChain },
): Promise<() => RecodeResult> {
  const checker = partChecker(k, all)
  const stored: (() => readonly Segment[])[] = []
  for (const { files } of runs) {
    const writer = fileWriter(files, { checker })
    const run = packs.beginRun(`${label}/${files[0]?.[0] ?? ''}`)
    for await (const frame of frames()) {
      if (frame.outcome === 'lost') writer.gap(frame.length, frame.why)
      else {
        writer.bytes(frame.plain)
        await seal(run, frame.plain)
      }
    }
    writer.end()
    stored.push(await run.end())
  }
  const { authentic, problems } = checker.finish()
  // What was wrong at the source of the backup is part of it; what went wrong since is not. Its bytes stay unreferenced.
  if (!authentic) return () => ({ outcome: 'damaged', problems })
  return () => ({ outcome: 'stored', runs: stored.map((run) => run()) })
}

const arena = new Uint8Array(FRAME)

async function seal(run: Run, plain: Uint8Array): Promise<void> {
  for (let at = 0; at < plain.length;) {
    const space = await run.space()
    const piece = plain.subarray(at, at + space.length)
    arena.set(piece, space.offset)
    run.filled(arena, piece.length)
    at += piece.length
  }
}
