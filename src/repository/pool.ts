import pLimit from 'p-limit'
import { Worker } from 'node:worker_threads'
import type { Disk } from '../core/disk.ts'
import { PermafrostError } from '../core/errors.ts'
import { layout } from '../core/layout.ts'
import type { Storage } from '../storage/storage.ts'
import { packBufferSize } from './pack-writer.ts'
import { localTasks } from './tasks.ts'
import type { Host, Tasks } from './tasks.ts'
import { receiveError, sendError } from './worker-messages.ts'
import type { FromWorker, TaskName, ToWorker } from './worker-messages.ts'

/** Workers that run tasks side by side; dispose of it to end them. */
export interface Pool extends Tasks, AsyncDisposable {
  /** How many tasks run at a time. */
  readonly size: number
  /** Bytes of plaintext in a full pack, within the limit of memory. */
  readonly packTarget: number
  /** From now on, call this with the bytes of each pack stored, and of each range fetched. */
  onBytes(listener: OnBytes): void
}

export type OnBytes = (bytes: number, direction: 'in' | 'out') => void

export interface PoolOptions {
  readonly storage: Storage
  /** Where packs are fetched from, when that is another storage than they are put into. */
  readonly source?: Storage | undefined
  /** Worker threads; 0 runs the tasks on this thread, one after another, for tests that count and stop calls. */
  readonly workers: number
  /** Bytes for pack buffers. */
  readonly memory: number
  /** The repository's pack target; a smaller limit of memory makes smaller packs. */
  readonly packTarget: number
  /** For the tasks on this thread; workers use the machine's own. */
  readonly disk: Disk
  readonly signal?: AbortSignal | undefined
}

/** What a worker makes lives for one file: V8 would let 48 MiB of it pile up, and is no faster for that. */
const YOUNG = { maxYoungGenerationSizeMb: 12 }
/** One pack being filled, one on its way: with two the disk and the store work at the same time. */
const BUFFERS = 2

/**
 * The workers of a run. Every put and every fetch happens on this thread, where the storage is; only buffers travel, shared
 * on their way out and transferred on their way in, without a copy.
 */
export function openPool(options: PoolOptions): Pool {
  const packTarget = targetWithin(options)
  let listener: OnBytes | undefined
  const host = hostOf(options, (...moved) => listener?.(...moved))
  const onBytes = (next: OnBytes): void => void (listener = next)
  if (options.workers === 0) {
    return {
      ...oneByOne(localTasks({ disk: options.disk, host, buffers: BUFFERS })),
      size: 1,
      packTarget,
      onBytes,
      [Symbol.asyncDispose]: async () => undefined,
    }
  }
  const threads = workerThreads(host, options)
  const run =
    <K extends TaskName>(task: K) =>
    (job: Parameters<Tasks[K]>[0]) =>
      threads.run(task, job) as ReturnType<Tasks[K]>
  return {
    size: options.workers,
    packTarget,
    onBytes,
    inspect: run('inspect'),
    store: run('store'),
    load: run('load'),
    scrub: run('scrub'),
    recode: run('recode'),
    [Symbol.asyncDispose]: () => threads.close(),
  }
}

/** As a worker does it: the memory in which files are hashed is there once on a thread. */
function oneByOne(tasks: Tasks): Tasks {
  const limit = pLimit(1)
  return {
    inspect: (job) => limit(() => tasks.inspect(job)),
    store: (job) => limit(() => tasks.store(job)),
    load: (job) => limit(() => tasks.load(job)),
    scrub: (job) => limit(() => tasks.scrub(job)),
    recode: (job) => limit(() => tasks.recode(job)),
  }
}

function targetWithin({ memory, workers, packTarget }: PoolOptions): number {
  const buffer = memory / (Math.max(1, workers) * BUFFERS)
  // What surrounds the plaintext grows with it, and never faster.
  const surroundings = packBufferSize(packTarget) - packTarget
  return Math.max(1 << 20, Math.min(packTarget, Math.floor(buffer - surroundings)))
}

function hostOf({ storage, source = storage, signal }: PoolOptions, onBytes: OnBytes): Host {
  return {
    put: async ({ id, bytes }) => {
      await storage.put(layout.packs.key(id), bytes, { ifAbsent: true, sha256: id, ...(signal && { signal }) })
      onBytes(bytes.length, 'out')
    },
    fetch: async (pack, range) => {
      const key = (pack.kind === 'meta' ? layout.meta : layout.packs).key(pack.id)
      const bytes = await source.get(key, { range, ...(signal && { signal }) })
      onBytes(bytes?.length ?? 0, 'in')
      return bytes
    },
  }
}

interface Waiting {
  readonly message: ToWorker
  readonly result: PromiseWithResolvers<unknown>
}

// The file's own ending: .ts when run from the sources, .js when built; and by its folder, for what is built lies elsewhere.
const ENTRY = new URL(`../repository/worker${import.meta.url.slice(import.meta.url.lastIndexOf('.'))}`, import.meta.url)

function workerThreads(host: Host, { workers, signal }: PoolOptions) {
  const queue: Waiting[] = []
  const idle: Worker[] = []
  const all: Worker[] = []
  const running = new Map<Worker, Waiting>()

  const next = (worker: Worker): void => {
    running.delete(worker)
    const waiting = queue.shift()
    if (!waiting) return void idle.push(worker)
    running.set(worker, waiting)
    worker.postMessage(waiting.message)
  }

  const answer = async (worker: Worker, message: FromWorker): Promise<void> => {
    switch (message.type) {
      case 'done':
        running.get(worker)?.result.resolve(message.value)
        return next(worker)
      case 'failed':
        running.get(worker)?.result.reject(receiveError(message.error))
        return next(worker)
      case 'put':
        return reply(worker, message.call, host.put(message.pack))
      case 'fetch':
        return reply(worker, message.call, host.fetch(...message.args))
    }
  }

  const start = (): Worker => {
    const worker = new Worker(ENTRY, { workerData: { buffers: BUFFERS }, resourceLimits: YOUNG })
    worker.on('message', (message: FromWorker) => void answer(worker, message))
    worker.on('error', (error) => running.get(worker)?.result.reject(error))
    all.push(worker)
    return worker
  }

  const stop = (): void => {
    const error = new PermafrostError('CANCELLED', 'stopped on request')
    for (const { result } of [...queue.splice(0), ...running.values()]) result.reject(error)
    for (const worker of all) void worker.terminate()
  }
  signal?.addEventListener('abort', stop, { once: true })
  // There will be work for one, and it takes a tenth of a second to start; the others start when there is work for them.
  idle.push(start())

  return {
    run: (task: TaskName, job: unknown): Promise<unknown> => {
      signal?.throwIfAborted()
      const result = Promise.withResolvers<unknown>()
      queue.push({ message: { type: 'run', task, job: job as never }, result })
      const worker = idle.pop() ?? (all.length < workers ? start() : undefined)
      if (worker) next(worker)
      return result.promise
    },
    close: async (): Promise<void> => {
      signal?.removeEventListener('abort', stop)
      await Promise.all(all.map((worker) => worker.terminate()))
    },
  }
}

async function reply(worker: Worker, call: number, work: Promise<Uint8Array<ArrayBuffer> | void>): Promise<void> {
  try {
    const value = await work
    worker.postMessage({ type: 'answer', call, value } satisfies ToWorker, value ? [value.buffer] : [])
  } catch (error) {
    worker.postMessage({ type: 'refusal', call, error: sendError(error) } satisfies ToWorker)
  }
}
