import { aroundCalls } from './around-calls.ts'
import type { StorageCall } from './around-calls.ts'
import type { CallOptions, Storage } from './storage.ts'
import { StorageError } from './storage-error.ts'

/** Bytes a second. A call of a store that does not report its bytes is given the time that this takes; slower ones do not finish a backup. */
const SLOWEST = 128 * 1024

/**
 * Gives up a call in which nothing moves: no library of a vendor does, they wait for ever. The call is aborted, and left alone
 * should it not heed that.
 *
 * @param silence milliseconds
 */
export function withStall(storage: Storage, silence: number): Storage {
  const patienceWith = ({ upload, download = 0 }: StorageCall): number =>
    storage.traits.reportsBytes ? silence : silence + ((upload + download) / SLOWEST) * 1000

  return aroundCalls(storage, async (call, go) => {
    const { signal, onBytes } = call.options
    const gaveUp = new AbortController()
    const silent = Promise.withResolvers<never>()
    const timer = setTimeout(() => {
      const error = new StorageError(
        'broken',
        `${storage.location} said nothing for ${Math.round(silence / 1000)} s: ${call.doing}`,
        { hint: 'look whether the store and the network are well, and run it again' },
      )
      silent.reject(error)
      gaveUp.abort(error)
    }, patienceWith(call))
    const options: CallOptions = {
      signal: signal ? AbortSignal.any([signal, gaveUp.signal]) : gaveUp.signal,
      onBytes: (bytes) => {
        timer.refresh()
        onBytes?.(bytes)
      },
    }
    try {
      return await Promise.race([go(options), silent.promise])
    } finally {
      clearTimeout(timer)
    }
  })
}
