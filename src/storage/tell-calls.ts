import { aroundCalls } from './around-calls.ts'
import type { RequestKind } from './around-calls.ts'
import type { Storage } from './storage.ts'

/** A call of a storage that has ended; a listing is one call, told of when it has begun. */
export interface EndedCall {
  readonly kind: RequestKind
  readonly outcome: 'ok' | 'failed'
  /** Bytes that came. */
  readonly received: number
  /** Bytes that went. */
  readonly sent: number
}

/** The same storage; each call is told of when it has ended. */
export function tellCalls(storage: Storage, onCall: (call: EndedCall) => void): Storage {
  return aroundCalls(storage, async ({ kind, upload, continued, options }, go) => {
    try {
      const result = await go(options)
      const received = result instanceof Uint8Array ? result.length : 0
      if (!continued) onCall({ kind, outcome: 'ok', received, sent: upload })
      return result
    } catch (error) {
      onCall({ kind, outcome: 'failed', received: 0, sent: 0 })
      throw error
    }
  })
}
