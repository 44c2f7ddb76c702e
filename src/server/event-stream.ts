import type { LogEntry } from './contract/operations.ts'

export interface EventSourceOfJobs {
  /** What a reader has missed. */
  readonly replay: readonly LogEntry[]
  readonly follow: (listener: (entry: LogEntry) => void) => () => void
  /** Is this the last one? The stream ends with it. */
  readonly isLast: (entry: LogEntry) => boolean
}

/** Milliseconds. Proxies cut what is silent for a minute. */
const PING = 15_000
/** Entries that wait for a reader who is too slow; it is cut off, and comes back with its Last-Event-ID. */
const MOST_WAITING = 2000

/** Entries as server-sent events: `id` is the number, `event` the type, `data` the entry. */
export function eventStream({ replay, follow, isLast }: EventSourceOfJobs): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder()
  let stop = (): void => undefined
  return new ReadableStream<Uint8Array>(
    {
      start: (controller) => {
        const close = (): void => {
          stop()
          controller.close()
        }
        const write = (text: string): void => controller.enqueue(encoder.encode(text))
        const send = (entry: LogEntry): void => {
          write(`id: ${entry.seq}\nevent: ${entry.type}\ndata: ${JSON.stringify(entry)}\n\n`)
          if (isLast(entry) || (controller.desiredSize ?? 0) < -MOST_WAITING) close()
        }
        const ping = setInterval(() => write(': \n\n'), PING)
        const unfollow = follow(send)
        stop = () => {
          clearInterval(ping)
          unfollow()
        }
        write('retry: 2000\n\n')
        for (const entry of replay) send(entry)
      },
      cancel: () => stop(),
    },
    { highWaterMark: 1 },
  )
}
