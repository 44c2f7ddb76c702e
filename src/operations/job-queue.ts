import pLimit from 'p-limit'
import { OWN_PACKS } from '../core/store-plan.ts'

/** An item with enough bytes for packs of its own goes alone; others wait for company of their kind. */
export interface QueuedItem<I> {
  readonly item: I
  readonly bytes: number
  /** Files in it. */
  readonly files: number
  /** Items of one placement may share packs. */
  readonly placement: string
}

/** Gathers what makes packs into jobs for the workers. */
export interface JobQueue<I, R> {
  /** Settles with the item's result; waits first when the workers have more to do than they can. */
  add(item: QueuedItem<I>): Promise<{ readonly result: Promise<R> }>
  /** Start what is still waiting for company. */
  flush(): Promise<void>
}

export interface JobQueueOptions<I, R> {
  readonly pool: { readonly size: number; readonly packTarget: number }
  /** Do a job: a result for each item, in their order. */
  readonly run: (items: readonly I[]) => Promise<readonly R[]>
}

/** Bounds the file lists that are in memory when parts are tiny. */
const FILES_IN_JOB = 20_000
/** A job ends with a pack that is not full, so it is several packs long. */
const PACKS_IN_JOB = 4

interface Waiting<I, R> {
  readonly item: I
  readonly result: PromiseWithResolvers<R>
}

interface Batch<I, R> {
  items: Waiting<I, R>[]
  bytes: number
  files: number
}

/** A queue in front of the pool: jobs of some packs each, at most two for every worker. */
export function jobQueue<I, R>({ pool, run }: JobQueueOptions<I, R>): JobQueue<I, R> {
  const batches = new Map<string, Batch<I, R>>()
  const limit = pLimit(pool.size * 2)

  const submit = async (items: readonly Waiting<I, R>[]): Promise<void> => {
    // Waits for a place, so that plans do not run far ahead of the data.
    const place = Promise.withResolvers<void>()
    void limit(async () => {
      place.resolve()
      try {
        const results = await run(items.map(({ item }) => item))
        for (const [index, { result }] of items.entries()) result.resolve(results[index] as R)
      } catch (error) {
        for (const { result } of items) result.reject(error)
      }
    })
    await place.promise
  }

  const start = async (placement: string): Promise<void> => {
    const batch = batches.get(placement)
    batches.delete(placement)
    if (batch) await submit(batch.items)
  }

  return {
    add: async ({ item, bytes, files, placement }) => {
      const result = Promise.withResolvers<R>()
      result.promise.catch(() => undefined)
      if (bytes >= OWN_PACKS) {
        await submit([{ item, result }])
        return { result: result.promise }
      }
      const batch = batches.get(placement) ?? { items: [], bytes: 0, files: 0 }
      batches.set(placement, batch)
      batch.items.push({ item, result })
      batch.bytes += bytes
      batch.files += files
      if (batch.bytes >= pool.packTarget * PACKS_IN_JOB || batch.files >= FILES_IN_JOB) await start(placement)
      return { result: result.promise }
    },
    flush: async () => {
      for (const placement of batches.keys()) await start(placement)
    },
  }
}
