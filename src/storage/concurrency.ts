import { aroundCalls } from './around-calls.ts'
import type { Storage } from './storage.ts'
import { StorageError } from './storage-error.ts'

/**
 * As many calls at a time as the store can bear: half as many after each SlowDown, one more after as many successes as there are
 * places, as TCP does it.
 */
export function withConcurrency(storage: Storage): Storage {
  const most = storage.traits.connections
  let places = most
  let running = 0
  const queue: (() => void)[] = []
  const admit = (): void => {
    while (running < Math.floor(places) && queue.length > 0) {
      running++
      queue.shift()?.()
    }
  }

  return aroundCalls(storage, async (call, go) => {
    await new Promise<void>((enter) => {
      queue.push(enter)
      admit()
    })
    try {
      // Those that waited may have been stopped meanwhile.
      call.options.signal?.throwIfAborted()
      const result = await go(call.options)
      places = Math.min(most, places + 1 / places)
      return result
    } catch (error) {
      if (error instanceof StorageError && error.failure === 'busy') places = Math.max(1, places / 2)
      throw error
    } finally {
      running--
      admit()
    }
  })
}
