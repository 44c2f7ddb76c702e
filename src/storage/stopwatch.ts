import type { Storage } from './storage.ts'

/** How long the calls of one kind took, in milliseconds. */
export interface CallTimes {
  readonly call: 'get' | 'put' | 'head'
  readonly median: number
  /** 95 of a hundred were no slower. */
  readonly slow: number
}

export interface Stopwatch {
  storage(storage: Storage): Storage
  calls(): readonly CallTimes[]
}

/** Times what passes by. */
export function stopwatch(clock: () => Date): Stopwatch {
  const times = new Map<CallTimes['call'], number[]>()
  const timed =
    <A extends unknown[], R>(call: CallTimes['call'], work: (...args: A) => Promise<R>) =>
    async (...args: A): Promise<R> => {
      const start = clock().getTime()
      const result = await work(...args)
      times.set(call, [...(times.get(call) ?? []), clock().getTime() - start])
      return result
    }
  return {
    storage: (storage) => ({
      ...storage,
      get: timed('get', storage.get.bind(storage)),
      put: timed('put', storage.put.bind(storage)),
      head: timed('head', storage.head.bind(storage)),
    }),
    calls: () =>
      [...times].map(([call, list]) => {
        const sorted = list.toSorted((a, b) => a - b)
        const at = (share: number) => sorted[Math.floor((sorted.length - 1) * share)] ?? 0
        return { call, median: at(0.5), slow: at(0.95) }
      }),
  }
}
