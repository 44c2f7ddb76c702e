import pLimit from 'p-limit'
import { OWN_PACKS } from '../core/store-plan.ts'
import type { Pool } from '../repository/pool.ts'
import type { Session } from '../repository/session.ts'
import type { StoreItem, StoreResult } from '../repository/store-parts.ts'
import type { Suite } from '../repository/seal.ts'

/** An item with enough bytes for packs of its own goes alone; others wait for company of their kind. */
export interface QueuedItem {
  readonly item: StoreItem
  readonly bytes: number
  /** Items of one placement may share packs. */
  readonly placement: string
}

/** Gathers what is to be stored into jobs for the workers. */
export interface StoreQueue {
  /** Settles with the item's result; waits first when the workers have more to do than they can. */
  add(item: QueuedItem): Promise<{ readonly result: Promise<StoreResult> }>
  /** Start what is still waiting for company. */
  flush(): Promise<void>
}

export interface StoreQueueOptions {
  readonly pool: Pool
  readonly session: Session
  readonly suite: Suite
  readonly random: (size: number) => Uint8Array
}

/** Bounds the file lists that are in memory when parts are tiny. */
const FILES_IN_JOB = 20_000
/** A job ends with a pack that is not full, so it is several packs long. */
const PACKS_IN_JOB = 4

interface Waiting {
  readonly item: StoreItem
  readonly result: PromiseWithResolvers<StoreResult>
}

interface Batch {
  items: Waiting[]
  bytes: number
  files: number
}

/** A queue in front of the pool: jobs of some packs each, at most two for every worker. */
export function storeQueue({ pool, session, suite, random }: StoreQueueOptions): StoreQueue {
  const batches = new Map<string, Batch>()
  const limit = pLimit(pool.size * 2)

  const submit = async (items: readonly Waiting[]): Promise<void> => {
    // Waits for a place, so that plans do not run far ahead of the data.
    const place = Promise.withResolvers<void>()
    void limit(async () => {
      place.resolve()
      try {
        const dataKey = await session.dataKey()
        const job = {
          items: items.map(({ item }) => item),
          session: session.id,
          suite,
          dataKey,
          seed: random(32),
          target: pool.packTarget,
        }
        const results = await pool.store(job)
        for (const [index, { result }] of items.entries()) result.resolve(results[index] as StoreResult)
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
    add: async ({ item, bytes, placement }) => {
      const result = Promise.withResolvers<StoreResult>()
      result.promise.catch(() => undefined)
      if (bytes >= OWN_PACKS) {
        await submit([{ item, result }])
        return { result: result.promise }
      }
      const batch = batches.get(placement) ?? { items: [], bytes: 0, files: 0 }
      batches.set(placement, batch)
      batch.items.push({ item, result })
      batch.bytes += bytes
      batch.files += item.runs.reduce((sum, run) => sum + run.length, 0)
      if (batch.bytes >= pool.packTarget * PACKS_IN_JOB || batch.files >= FILES_IN_JOB) await start(placement)
      return { result: result.promise }
    },
    flush: async () => {
      for (const placement of batches.keys()) await start(placement)
    },
  }
}
