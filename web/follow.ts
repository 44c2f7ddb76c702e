import { urlOf } from './api.ts'
import type { LogEntry } from './types.ts'

export interface Follower {
  readonly onEntry: (entry: LogEntry) => void
  readonly onOpen?: () => void
  /** The stream broke; `true` asks for it to be opened again. `closed`: the browser itself will not. */
  readonly onLost: (closed: boolean) => boolean
}

const TYPES: readonly LogEntry['type'][] = ['operation', 'phase', 'progress', 'finding']
const AGAIN = 1500

/**
 * Follow a stream of events. The browser opens one that broke again by itself and goes on after the last event; when the
 * agent was away for so long that the browser gave up, this does.
 */
export function follow(path: string, { onEntry, onOpen, onLost }: Follower): () => void {
  let source: EventSource | undefined
  let timer: ReturnType<typeof setTimeout> | undefined
  const open = (): void => {
    source = new EventSource(urlOf(path))
    source.addEventListener('open', () => onOpen?.())
    source.addEventListener('error', () => {
      const closed = source?.readyState === EventSource.CLOSED
      if (onLost(closed) && closed) timer = setTimeout(open, AGAIN)
    })
    for (const type of TYPES)
      source.addEventListener(type, (event) => onEntry(JSON.parse((event as MessageEvent<string>).data) as LogEntry))
  }
  open()
  return () => {
    clearTimeout(timer)
    source?.close()
  }
}
