import { aroundCalls } from './around-calls.ts'
import type { Storage } from './storage.ts'
import { StorageError } from './storage-error.ts'

/** So many times slower the number grows where it was refused before: a refused pack has been sent in vain. */
const CAUTION = 16

/**
 * As many calls at a time as the store can bear: half as many after a SlowDown, one more after as many successes as there are
 * places, as TCP does it. What was refused once is tried again after a while, and a refusal there costs one place.
 */
export function withConcurrency(storage: Storage): Storage {
  const most = storage.traits.connections
  let places = most
  /** The number of places that was refused last. */
  let refused = Infinity
  let refusals = 0
  let running = 0
  const queue: (() => void)[] = []
  const admit = (): void => {
    while (running < Math.floor(places) && queue.length > 0) {
      running++
      queue.shift()?.()
    }
  }
  const grow = (): void => {
    const isKnown = places + 1 >= refused
    places = Math.min(most, places + 1 / (isKnown ? places * CAUTION : places))
    // It holds more than it did.
    if (places >= refused + 1) refused = Infinity
  }
  const shrink = (): void => {
    const at = Math.floor(places)
    places = Math.max(1, at >= refused ? refused - 1 : at / 2)
    refused = at
    refusals++
  }

  return aroundCalls(storage, async (call, go) => {
    await new Promise<void>((enter) => {
      queue.push(enter)
      admit()
    })
    const before = refusals
    try {
      // Those that waited may have been stopped meanwhile.
      call.options.signal?.throwIfAborted()
      const result = await go(call.options)
      grow()
      return result
    } catch (error) {
      // Of calls that were on their way together, many may be refused: they tell one thing.
      if (error instanceof StorageError && error.failure === 'busy' && before === refusals) shrink()
      throw error
    } finally {
      running--
      admit()
    }
  })
}
