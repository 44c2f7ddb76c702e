import type { Disk } from '../core/disk.ts'
import { diskError } from '../core/disk-error.ts'
import { inspectPart } from './inspect-part.ts'
import type { Inspection } from './inspect-part.ts'
import { loadParts } from './load-parts.ts'
import type { LoadJob } from './load-parts.ts'
import type { PackSource } from './open-frames.ts'
import type { PackSink } from './pack-chain.ts'
import type { PartCheck } from './part-checker.ts'
import { packBufferSize } from './pack-writer.ts'
import type { FinishedPack } from './pack-writer.ts'
import { recodeParts } from './recode-parts.ts'
import type { RecodeJob, RecodeResult } from './recode-parts.ts'
import { scrubPacks } from './scrub-packs.ts'
import type { ScrubJob, ScrubResult } from './scrub-packs.ts'
import { storeParts } from './store-parts.ts'
import type { StoreJob, StoreResult } from './store-parts.ts'

export interface InspectJob {
  readonly directories: readonly string[]
  /** With the list of files, their sizes and inodes; without, no more is read than the identity needs. */
  readonly files: boolean
}

export type InspectResult =
  | { readonly outcome: 'inspected'; readonly inspection: Inspection }
  | { readonly outcome: 'unreadable'; readonly message: string }

/** What a worker can be asked to do. */
export interface Tasks {
  inspect(job: InspectJob): Promise<readonly InspectResult[]>
  store(job: StoreJob): Promise<readonly StoreResult[]>
  load(job: LoadJob): Promise<readonly PartCheck[]>
  scrub(job: ScrubJob): Promise<readonly ScrubResult[]>
  recode(job: RecodeJob): Promise<readonly RecodeResult[]>
}

/** What a worker may ask of its owner: bytes go out and come in there, workers do the arithmetic. */
export interface Host extends PackSource {
  /** Store a pack, which stays as it is until that is done. */
  put(pack: FinishedPack): Promise<void>
}

/**
 * The tasks on this thread.
 *
 * @param buffers how many packs may exist at a time: one being filled, the others on their way
 */
export function localTasks({
  disk,
  host,
  buffers,
}: {
  readonly disk: Disk
  readonly host: Host
  readonly buffers: number
}): Tasks {
  // Made once on a thread, and shared with the one that puts them: each pack that changed hands would have V8 collect garbage.
  const idle: ArrayBufferLike[] = []
  const sink = ({ target }: { readonly target: number }) =>
    bufferedSink(host, { idle, buffers, size: packBufferSize(target) })
  return {
    inspect: async ({ directories, files }) => directories.map((directory) => inspect(directory, { disk, files })),
    store: (job) => storeParts(job, { disk, sink: sink(job) }),
    load: async (job) => {
      try {
        return await loadParts(job, { disk, source: host })
      } catch (error) {
        throw diskError(error, `write ${job.items[0]?.target ?? ''}`)
      }
    },
    scrub: (job) => scrubPacks(job, host),
    recode: (job) => recodeParts(job, { source: host, sink: sink(job.to) }),
  }
}

function inspect(directory: string, options: { readonly disk: Disk; readonly files: boolean }): InspectResult {
  try {
    return { outcome: 'inspected', inspection: inspectPart(directory, options) }
  } catch (error) {
    return { outcome: 'unreadable', message: error instanceof Error ? error.message : String(error) }
  }
}

interface Buffers {
  /** Those of this thread that are not in use. */
  readonly idle: ArrayBufferLike[]
  readonly buffers: number
  readonly size: number
}

function bufferedSink(host: Host, { idle, buffers, size }: Buffers): PackSink {
  const waiting: PromiseWithResolvers<ArrayBufferLike>[] = []
  // Of another size are those of a repository that was open before.
  if (idle.some(({ byteLength }) => byteLength !== size)) idle.length = 0
  let made = idle.length
  let failure: unknown

  return {
    buffer: async () => {
      if (failure !== undefined) throw failure
      const free = idle.pop()
      if (free) return free
      if (made++ < buffers) return new SharedArrayBuffer(size)
      const next = Promise.withResolvers<ArrayBufferLike>()
      waiting.push(next)
      return next.promise
    },
    put: async (pack) => {
      try {
        await host.put(pack)
        const { buffer } = pack.bytes
        const next = waiting.shift()
        if (next) next.resolve(buffer)
        else idle.push(buffer)
      } catch (error) {
        failure = error ?? new Error('put failed')
        for (const next of waiting.splice(0)) next.reject(failure)
        throw error
      }
    },
  }
}
