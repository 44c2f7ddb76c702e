import { aroundCalls } from './around-calls.ts'
import type { RequestKind } from './around-calls.ts'
import type { StorageFailure } from './storage-error.ts'
import type { Storage } from './storage.ts'

/** What calls of one kind came to. */
export interface Usage {
  /** Calls of the store, those that failed and the repeated ones among them; a listing is one. */
  readonly requests: number
  readonly retries: number
  /** Of the retries, those after the store had asked for patience. */
  readonly throttles: number
  readonly bytes: number
  /** Time spent waiting for answers, over all connections together; to the millisecond. */
  readonly seconds: number
}

/** Counts what the stores of a run are asked for. */
export interface Meter {
  count(storage: Storage): Storage
  readonly retried: (kind: RequestKind, why: StorageFailure) => void
  /** By kind; those that were never asked for are left out. */
  usage(): Partial<Record<RequestKind, Usage>>
}

const NONE: Usage = { requests: 0, retries: 0, throttles: 0, bytes: 0, seconds: 0 }

export function createMeter(clock: () => Date): Meter {
  const totals = new Map<RequestKind, Usage>()
  const add = (kind: RequestKind, more: Partial<Usage>): void => {
    const { requests, retries, throttles, bytes, seconds } = totals.get(kind) ?? NONE
    totals.set(kind, {
      requests: requests + (more.requests ?? 0),
      retries: retries + (more.retries ?? 0),
      throttles: throttles + (more.throttles ?? 0),
      bytes: bytes + (more.bytes ?? 0),
      seconds: Number((seconds + (more.seconds ?? 0)).toFixed(3)),
    })
  }
  return {
    count: (storage) =>
      aroundCalls(storage, async ({ kind, upload, continued, options }, go) => {
        const start = clock().getTime()
        let received = 0
        try {
          const result = await go(options)
          received = result instanceof Uint8Array ? result.length : 0
          return result
        } finally {
          const seconds = (clock().getTime() - start) / 1000
          add(kind, { requests: continued ? 0 : 1, bytes: upload + received, seconds })
        }
      }),
    retried: (kind, why) => add(kind, { retries: 1, throttles: why === 'busy' ? 1 : 0 }),
    usage: () => Object.fromEntries(totals),
  }
}
