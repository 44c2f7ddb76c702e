import type { Disk } from '../../src/core/disk.ts'
import type { Engine } from '../../src/engine/engine.ts'
import type { Storage } from '../../src/storage/storage.ts'

/** The process is dead: nothing that it does reaches the world any more. */
export class PulledPlug extends Error {}

/** A process whose plug is pulled before or after one of its calls to the storage or the disk. */
export interface Plug {
  /** Calls so far. */
  readonly calls: number
  readonly pulled: boolean
  storage(storage: Storage): Storage
  disk(disk: Disk): Disk
  engine<T extends Engine>(engine: T): T
}

/**
 * @param point the number of the call at which it is pulled, from 0
 * @param when `after`: the call takes effect, and its answer is lost
 */
export function plug(point: number, when: 'before' | 'after'): Plug {
  let calls = 0
  let pulled = false
  const die = (): never => {
    pulled = true
    throw new PulledPlug()
  }
  const enter = (): boolean => {
    if (pulled) die()
    const mine = calls++ === point
    if (mine && when === 'before') die()
    return mine
  }
  const later =
    <A extends unknown[], R>(call: (...args: A) => Promise<R>) =>
    async (...args: A): Promise<R> => {
      const last = enter()
      const result = await call(...args)
      return last ? die() : result
    }
  const now =
    <A extends unknown[], R>(call: (...args: A) => R) =>
    (...args: A): R => {
      const last = enter()
      const result = call(...args)
      return last ? die() : result
    }
  return {
    get calls() {
      return calls
    },
    get pulled() {
      return pulled
    },
    storage: (storage) => ({
      ...storage,
      get: later(storage.get.bind(storage)),
      put: later(storage.put.bind(storage)),
      head: later(storage.head.bind(storage)),
      delete: later(storage.delete.bind(storage)),
      async *list(prefix, options) {
        const last = enter()
        try {
          yield* storage.list(prefix, options)
        } finally {
          if (last) die()
        }
      },
    }),
    // Calls that only look change nothing: a plug that is pulled at one of them is pulled at the next call as well.
    disk: (disk) => ({
      ...disk,
      write: now(disk.write.bind(disk)),
      makeDirectory: now(disk.makeDirectory.bind(disk)),
      rename: now(disk.rename.bind(disk)),
      link: now(disk.link.bind(disk)),
      sync: now(disk.sync.bind(disk)),
      syncTree: now(disk.syncTree.bind(disk)),
      remove: later(disk.remove.bind(disk)),
    }),
    engine: (engine) => ({
      ...engine,
      command: async (...args) => (pulled ? die() : engine.command(...args)),
      query: async (...args) => (pulled ? die() : engine.query(...args)),
    }),
  }
}
