import { aroundCalls } from './around-calls.ts'
import { pause } from './pause.ts'
import type { Storage } from './storage.ts'

export interface ThrottleOptions {
  /** Bytes a second to the store. */
  readonly upload?: number | undefined
  /** Bytes a second from the store. */
  readonly download?: number | undefined
  readonly clock: () => Date
}

/**
 * No more bytes a second than these, over all calls together. A call goes at full speed and the next ones wait until it is paid
 * for: bodies are whole packs, and what counts is the line over minutes.
 */
export function withThrottle(storage: Storage, { upload, download, clock }: ThrottleOptions): Storage {
  const up = bucket(upload, clock)
  const down = bucket(download, clock)
  return aroundCalls(storage, async (call, go) => {
    await up.take(call.upload, call.options.signal)
    await down.take(call.download ?? 0, call.options.signal)
    const result = await go(call.options)
    // Whole objects: what they cost is known when they are here.
    if (call.download === undefined && result instanceof Uint8Array) down.charge(result.length)
    return result
  })
}

function bucket(rate: number | undefined, clock: () => Date) {
  let paid = 0
  const charge = (bytes: number): void => {
    if (rate === undefined || bytes === 0) return
    paid = Math.max(paid, clock().getTime()) + (bytes / rate) * 1000
  }
  return {
    charge,
    /** Wait until what was taken before is paid for. */
    take: async (bytes: number, signal: AbortSignal | undefined): Promise<void> => {
      if (rate === undefined || bytes === 0) return
      const wait = paid - clock().getTime()
      // Charged before the wait: those that come meanwhile stand behind this one.
      charge(bytes)
      await pause(wait, signal)
    },
  }
}
