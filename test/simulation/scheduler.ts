import type { ObjectInfo, Storage } from '../../src/storage/storage.ts'

/** Numbers that look random and are the same for the same seed: mulberry32. */
export function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}

/** Lets processes go on one request at a time, in an order that only the seed decides. */
export interface Scheduler {
  /** A storage whose requests wait for their turn, before they take effect and again before their answer arrives. */
  storage(storage: Storage): Storage
  /** Run these to their end; one that is killed waits for ever, and is left behind. */
  run(processes: readonly (() => Promise<void>)[]): Promise<void>
}

/**
 * @param kill how likely it is that a process dies at a step
 */
export function scheduler(random: () => number, kill: number): Scheduler {
  const waiting: (() => void)[] = []
  const turn = (): Promise<void> => new Promise((go) => void waiting.push(go))
  const around =
    <A extends unknown[], R>(call: (...args: A) => Promise<R>) =>
    async (...args: A): Promise<R> => {
      await turn()
      const result = await call(...args)
      await turn()
      return result
    }
  return {
    storage: (storage) => ({
      ...storage,
      get: around(storage.get.bind(storage)),
      put: around(storage.put.bind(storage)),
      head: around(storage.head.bind(storage)),
      delete: around(storage.delete.bind(storage)),
      async *list(prefix, options) {
        await turn()
        const found: ObjectInfo[] = []
        for await (const object of storage.list(prefix, options)) found.push(object)
        await turn()
        yield* found
      },
    }),
    run: async (processes) => {
      let failure: unknown
      for (const process of processes) process().catch((error: unknown) => (failure ??= error))
      for (;;) {
        // Everybody has come to his next request when nothing more is to be done without one.
        await new Promise((settled) => setImmediate(settled))
        if (failure !== undefined) throw failure
        if (waiting.length === 0) return
        const [go] = waiting.splice(Math.floor(random() * waiting.length), 1)
        if (random() >= kill) go?.()
      }
    },
  }
}
