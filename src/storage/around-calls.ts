import { TO_THE_END } from './storage.ts'
import type { CallOptions, Range, Storage } from './storage.ts'

export type RequestKind = 'get' | 'put' | 'head' | 'list' | 'delete' | 'lock'

/** One call of a store, as a decorator sees it. */
export interface StorageCall {
  readonly kind: RequestKind
  /** What is tried, for messages: `read packs/…`. */
  readonly doing: string
  /** Bytes on their way to the store. */
  readonly upload: number
  /** Bytes that are asked for, where that is known. */
  readonly download: number | undefined
  /** The next object of a listing that has begun, rather than a request of its own. */
  readonly continued: boolean
  readonly options: CallOptions
}

/** Runs a call, perhaps with options of its own, and returns what it returned. */
export type AroundCall = <T>(call: StorageCall, go: (options: CallOptions) => Promise<T>) => Promise<T>

/** The same storage with something done around each of its calls; of a listing, around each step. */
export function aroundCalls(storage: Storage, around: AroundCall): Storage {
  const { extendLock } = storage
  const call = (kind: RequestKind, doing: string, more: Partial<StorageCall>): StorageCall => ({
    kind,
    doing,
    upload: 0,
    download: 0,
    continued: false,
    options: {},
    ...more,
  })
  return {
    ...storage,
    get: (key, options = {}) =>
      around(call('get', `read ${key}`, { download: expected(options.range), options }), (own) =>
        storage.get(key, { ...options, ...own }),
      ),
    put: (key, body, options = {}) =>
      around(call('put', `write ${key}`, { upload: body.length, options }), (own) =>
        storage.put(key, body, { ...options, ...own }),
      ),
    head: (key, options = {}) =>
      around(call('head', `look at ${key}`, { options }), (own) => storage.head(key, { ...options, ...own })),
    delete: (keys, options = {}) =>
      around(call('delete', `delete ${keys.length === 1 ? keys[0] : `${keys.length} objects`}`, { options }), (own) =>
        storage.delete(keys, { ...options, ...own }),
      ),
    ...(extendLock && {
      extendLock: (key, options = {}) =>
        around(call('lock', `lock ${key}`, { options }), (own) => extendLock(key, { ...options, ...own })),
    }),
    async *list(prefix, options = {}) {
      const objects = storage.list(prefix, options)[Symbol.asyncIterator]()
      for (let continued = false; ; continued = true) {
        const next = await around(call('list', `list ${prefix || 'it'}`, { continued, options }), () => objects.next())
        if (next.done) return
        yield next.value
      }
    },
  }
}

function expected(range: Range | undefined): number | undefined {
  return range?.length === TO_THE_END ? undefined : range?.length
}
