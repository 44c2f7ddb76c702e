import type { Storage } from './storage.ts'

/** A call of a storage that has ended. */
export interface EndedCall {
  readonly method: 'get' | 'put' | 'head' | 'list' | 'delete'
  readonly outcome: 'ok' | 'failed'
  /** Bytes that came. */
  readonly received: number
  /** Bytes that went. */
  readonly sent: number
}

/** The same storage; each call is told of when it has ended. */
export function tellCalls(storage: Storage, onCall: (call: EndedCall) => void): Storage {
  const metered = async <T>(
    method: EndedCall['method'],
    work: () => Promise<T>,
    bytes: (value: T) => Partial<Pick<EndedCall, 'received' | 'sent'>> = () => ({}),
  ): Promise<T> => {
    try {
      const value = await work()
      onCall({ method, outcome: 'ok', received: 0, sent: 0, ...bytes(value) })
      return value
    } catch (error) {
      onCall({ method, outcome: 'failed', received: 0, sent: 0 })
      throw error
    }
  }
  return {
    ...storage,
    get: (key, options) =>
      metered(
        'get',
        () => storage.get(key, options),
        (body) => ({ received: body?.length ?? 0 }),
      ),
    put: (key, body, options) => {
      // Its buffer may have travelled on by the time that the call has ended.
      const sent = body.length
      return metered(
        'put',
        () => storage.put(key, body, options),
        () => ({ sent }),
      )
    },
    head: (key, options) => metered('head', () => storage.head(key, options)),
    list: async function* (prefix, options) {
      try {
        yield* storage.list(prefix, options)
        onCall({ method: 'list', outcome: 'ok', received: 0, sent: 0 })
      } catch (error) {
        onCall({ method: 'list', outcome: 'failed', received: 0, sent: 0 })
        throw error
      }
    },
    delete: (keys, options) => metered('delete', () => storage.delete(keys, options)),
  }
}
