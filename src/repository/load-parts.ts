import { dirname, join } from 'node:path'
import type { Disk } from '../core/disk.ts'
import { fileWriter } from './file-writer.ts'
import type { RunOfFiles } from './file-writer.ts'
import { openFrames } from './open-frames.ts'
import type { Opening, OpenFrames, PackSource } from './open-frames.ts'
import { partChecker } from './part-checker.ts'
import type { PartCheck } from './part-checker.ts'

/** A part to read back. */
export interface LoadItem {
  readonly name: string
  readonly k: string
  readonly runs: readonly RunOfFiles[]
  /** A directory to make and to fill, durable when the job is done; without it the bytes are checked and dropped. */
  readonly target?: string
}

export interface LoadJob extends Opening {
  readonly items: readonly LoadItem[]
}

/**
 * The data path, outwards: fetch the segments of each part, open their frames, and rebuild its files, hashing each as
 * ClickHouse does and comparing it with what the part's own `checksums.txt`, the first file of the stream, lists.
 */
export async function loadParts(
  job: LoadJob,
  { disk, source }: { readonly disk: Disk; readonly source: PackSource },
): Promise<readonly PartCheck[]> {
  const frames = openFrames(
    job.items.flatMap(({ runs }) => runs),
    job,
    source,
  )
  const results: PartCheck[] = []
  for (const item of job.items) results.push(await loadItem(item, { disk, frames }))
  const written = job.items.flatMap((item) => (item.target ? [dirname(item.target)] : []))
  for (const directory of new Set(written)) disk.syncTree(directory)
  return results
}

interface Within {
  readonly disk: Disk
  readonly frames: OpenFrames
}

async function loadItem(item: LoadItem, { disk, frames }: Within): Promise<PartCheck> {
  const { target } = item
  const checker = partChecker(
    item.k,
    item.runs.flatMap((run) => run.files),
  )
  if (target) for (const directory of directoriesOf(item)) disk.makeDirectory(join(target, directory))
  for (const { files } of item.runs) {
    const writer = fileWriter(files, { checker, ...(target && { to: { disk, directory: target } }) })
    for await (const frame of frames()) {
      if (frame.outcome === 'opened') writer.bytes(frame.plain)
      else writer.gap(frame.length, frame.why)
    }
    writer.end()
  }
  return checker.finish()
}

function directoriesOf(item: LoadItem): readonly string[] {
  const paths = item.runs.flatMap((run) => run.files.map(([path]) => path))
  const directories = paths.filter((path) => path.includes('/')).map((path) => path.slice(0, path.lastIndexOf('/')))
  return ['', ...new Set(directories)]
}
