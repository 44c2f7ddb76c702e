import type { RequestKind } from './around-calls.ts'
import { pause } from './pause.ts'
import { TO_THE_END } from './storage.ts'
import type { CallOptions, Range, Storage } from './storage.ts'
import { FAILURES, StorageError } from './storage-error.ts'
import type { StorageFailure } from './storage-error.ts'

export interface RetryOptions {
  /** Milliseconds that one call is tried again for. */
  readonly patience: number
  readonly clock: () => Date
  readonly random: (size: number) => Uint8Array
  readonly onRetry?: ((kind: RequestKind, why: StorageFailure) => void) | undefined
}

/** Milliseconds. The first wait is at most this, each further one at most twice the one before. */
const FIRST_WAIT = 200
const LONGEST_WAIT = 20_000

/**
 * Tries again what may succeed another time, by the table of storage-error.ts. A read goes on at the last byte unless the bytes
 * are spoilt, a listing at the last key. After a put whose answer was lost the store is asked what it has: a create-only put that finds our own bytes was ours.
 */
export function withRetry(storage: Storage, options: RetryOptions): Storage {
  /** How one call has fared so far. */
  const attempts = (kind: RequestKind, signal: AbortSignal | undefined) => {
    let tries = 0
    let since = options.clock().getTime()
    return {
      /** Something came: patience starts anew. */
      advanced: (): void => {
        tries = 0
        since = options.clock().getTime()
      },
      /** Wait for the next attempt. @throws the error when there should be none */
      next: async (error: unknown): Promise<void> => {
        signal?.throwIfAborted()
        if (!(error instanceof StorageError) || !FAILURES[error.failure].retryable) throw error
        const wait = Math.max(error.retryAfter ?? 0, fullJitter(tries++, options.random))
        if (options.clock().getTime() - since + wait > options.patience) throw gaveUp(error, tries)
        options.onRetry?.(kind, error.failure)
        await pause(wait, signal)
      },
    }
  }

  const persist = async <T>(kind: RequestKind, { signal }: CallOptions, attempt: () => Promise<T>): Promise<T> => {
    for (const { next } = attempts(kind, signal); ;) {
      try {
        return await attempt()
      } catch (error) {
        await next(error)
      }
    }
  }

  const { extendLock } = storage
  return {
    ...storage,

    get: (key, call = {}) => {
      const received: Uint8Array[] = []
      return persist('get', call, async () => {
        const before = [...received]
        const range = before.length === 0 ? call.range : behind(call.range, lengthOf(before))
        // The connection broke behind the last byte.
        if (range?.length === 0 && before.length > 0) return join(before)
        // A call that was given up and does not heed it must not add to the next one's bytes.
        let current = true
        const onBytes = (chunk: Uint8Array): void => {
          if (current) received.push(chunk)
          call.onBytes?.(chunk)
        }
        try {
          const bytes = await storage.get(key, { ...call, range, onBytes })
          return bytes && before.length > 0 ? join([...before, bytes]) : bytes
        } catch (error) {
          if (error instanceof StorageError && error.failure === 'spoilt') received.length = 0
          throw error
        } finally {
          current = false
        }
      })
    },

    put: (key, body, call = {}) => {
      let unknown = false
      return persist('put', call, async () => {
        const asked = unknown
        unknown = true
        const outcome = await storage.put(key, body, call)
        if (outcome === 'created' || !asked) return outcome
        const found = await storage.get(key, { signal: call.signal })
        return found && Buffer.compare(found, body) === 0 ? 'created' : 'exists'
      })
    },

    head: (key, call = {}) => persist('head', call, () => storage.head(key, call)),
    delete: (keys, call = {}) => persist('delete', call, () => storage.delete(keys, call)),
    ...(extendLock && { extendLock: (key, call = {}) => persist('lock', call, () => extendLock(key, call)) }),

    async *list(prefix, call = {}) {
      let last = call.after
      for (const { next, advanced } = attempts('list', call.signal); ;) {
        try {
          for await (const found of storage.list(prefix, { ...call, after: last })) {
            if (last !== undefined && found.key <= last) continue
            last = found.key
            advanced()
            yield found
          }
          return
        } catch (error) {
          await next(error)
        }
      }
    },
  }
}

/** https://aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter */
function fullJitter(tries: number, random: RetryOptions['random']): number {
  const most = Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** tries)
  return (most * Buffer.from(random(4)).readUInt32BE()) / 2 ** 32
}

function gaveUp(error: StorageError, tries: number): StorageError {
  if (tries === 1) return error
  const { hint, detail, failure } = error
  return new StorageError(failure, `${error.message} (tried ${tries} times)`, { hint, detail, cause: error })
}

/** What is left of a range, or of a whole object, behind its first bytes. */
function behind(range: Range | undefined, bytes: number): Range {
  return range ? { offset: range.offset + bytes, length: range.length - bytes } : { offset: bytes, length: TO_THE_END }
}

function lengthOf(chunks: readonly Uint8Array[]): number {
  return chunks.reduce((sum, { length }) => sum + length, 0)
}

/** One array of exactly these bytes: its buffer travels between threads. */
function join(chunks: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(lengthOf(chunks))
  let at = 0
  for (const chunk of chunks) {
    whole.set(chunk, at)
    at += chunk.length
  }
  return whole
}
