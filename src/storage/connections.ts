import pLimit from 'p-limit'
import type { CallOptions } from './storage.ts'
import { FAILURES, StorageError } from './storage-error.ts'

/** A connection on which one call runs at a time. */
export interface Connection {
  /** Whether it can still be used. */
  readonly alive: boolean
  /** A connection that is in use keeps the process running; an idle one does not. */
  hold(inUse: boolean): void
  /** Ends it at once; calls that are on their way fail. */
  close(): void
}

export interface Connections<C> {
  /** Run a call on a connection of its own. */
  use<T>(options: CallOptions | undefined, work: (connection: C) => Promise<T>): Promise<T>
}

/**
 * Up to so many connections, opened when they are needed and used again. One that broke, or whose call was given up, is
 * closed: whatever stalled on it may stall the next call as well.
 */
export function connections<C extends Connection>(
  size: number,
  open: (options: CallOptions) => Promise<C>,
): Connections<C> {
  const limit = pLimit(size)
  const idle: C[] = []
  let reached = false

  const take = async (options: CallOptions): Promise<C> => {
    for (let connection = idle.pop(); connection; connection = idle.pop()) if (connection.alive) return connection
    try {
      const connection = await open(options)
      reached = true
      return connection
    } catch (error) {
      // A server that was there a moment ago comes back: it is worth another try.
      if (!reached || !(error instanceof StorageError) || error.failure !== 'absent') throw error
      throw new StorageError('broken', error.message, { hint: error.hint, cause: error })
    }
  }

  return {
    use: (options, work) =>
      limit(async () => {
        const signal = options?.signal
        signal?.throwIfAborted()
        const connection = await take({ signal })
        const giveUp = (): void => connection.close()
        signal?.addEventListener('abort', giveUp)
        connection.hold(true)
        try {
          signal?.throwIfAborted()
          return await work(connection)
        } catch (error) {
          if (!isAnswer(error)) connection.close()
          signal?.throwIfAborted()
          throw error
        } finally {
          signal?.removeEventListener('abort', giveUp)
          connection.hold(false)
          if (connection.alive) idle.push(connection)
        }
      }),
  }
}

/** Did the server answer, so that the connection is in a state that we know? */
function isAnswer(error: unknown): boolean {
  return error instanceof StorageError && !FAILURES[error.failure].retryable
}
