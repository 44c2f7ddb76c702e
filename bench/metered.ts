import type { Storage } from '../src/storage/storage.ts'

/** Requests by kind, and bytes in both directions. */
export interface Meter {
  get: number
  put: number
  head: number
  list: number
  delete: number
  bytesIn: number
  bytesOut: number
}

/** Count what a storage is asked for; a list is one request for each thousand keys, a delete for each thousand. */
export function metered(storage: Storage): { readonly storage: Storage; readonly meter: Meter } {
  const meter: Meter = { get: 0, put: 0, head: 0, list: 0, delete: 0, bytesIn: 0, bytesOut: 0 }
  return {
    meter,
    storage: {
      ...storage,
      get: async (...args) => {
        meter.get++
        const bytes = await storage.get(...args)
        meter.bytesIn += bytes?.length ?? 0
        return bytes
      },
      put: async (...args) => {
        meter.put++
        meter.bytesOut += args[1].length
        return storage.put(...args)
      },
      head: async (...args) => {
        meter.head++
        return storage.head(...args)
      },
      async *list(...args) {
        meter.list++
        let keys = 0
        for await (const object of storage.list(...args)) {
          if (++keys % 1000 === 0) meter.list++
          yield object
        }
      },
      delete: async (...args) => {
        meter.delete += Math.ceil(args[0].length / 1000)
        return storage.delete(...args)
      },
    },
  }
}

export function requestsOf({ get, put, head, list, delete: deletes }: Meter): number {
  return get + put + head + list + deletes
}
