import type { Pool } from '../repository/pool.ts'
import type { Compression, PackJob } from '../repository/pack-chain.ts'
import type { Session } from '../repository/session.ts'
import type { StoreItem, StoreResult } from '../repository/store-parts.ts'
import type { Suite } from '../repository/seal.ts'
import { jobQueue } from './job-queue.ts'
import type { JobQueue } from './job-queue.ts'

export type StoreQueue = JobQueue<StoreItem, StoreResult>

export interface StoreQueueOptions {
  readonly compression?: Compression | undefined
  readonly pool: Pool
  readonly session: Session
  readonly suite: Suite
  readonly random: (size: number) => Uint8Array
}

/** What is to be stored, as jobs for the workers. */
export function storeQueue(options: StoreQueueOptions): StoreQueue {
  return jobQueue({
    pool: options.pool,
    run: async (items) => options.pool.store({ items, ...(await packJob(options)) }),
  })
}

/** What a job needs to make packs of a session. */
export async function packJob({ pool, session, suite, random, compression }: StoreQueueOptions): Promise<PackJob> {
  const dataKey = await session.dataKey()
  return { session: session.id, suite, dataKey, seed: random(32), target: pool.packTarget, compression }
}
