import { withConcurrency } from './concurrency.ts'
import type { Meter } from './meter.ts'
import { withRetry } from './retry.ts'
import { withStall } from './stall.ts'
import type { Storage } from './storage.ts'
import { withThrottle } from './throttle.ts'

export interface StorageLimits {
  /** Bytes a second to the store. */
  readonly upload?: number | undefined
  /** Bytes a second from the store. */
  readonly download?: number | undefined
  /** Seconds in which nothing may move before a request is given up. */
  readonly silence?: number | undefined
  /** Seconds that a request is tried again for. */
  readonly patience?: number | undefined
}

export interface LayerOptions {
  readonly limits?: StorageLimits | undefined
  readonly meter?: Meter | undefined
  readonly clock: () => Date
  readonly random: (size: number) => Uint8Array
}

/** What no vendor's library gets right, above all of them. From the inside out: an attempt is counted and watched, then repeated, then paid for. */
export function withLayers(storage: Storage, { limits = {}, meter, clock, random }: LayerOptions): Storage {
  const { silence = 60, patience = 300 } = limits
  const counted = meter?.count(storage) ?? storage
  const attempt = withConcurrency(withStall(counted, silence * 1000))
  const repeated = withRetry(attempt, { patience: patience * 1000, clock, random, onRetry: meter?.retried })
  return withThrottle(repeated, { upload: limits.upload, download: limits.download, clock })
}
