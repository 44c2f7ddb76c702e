import { EventEmitter, once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'

export interface RcloneLog {
  /** Listen to what goes wrong with an object. */
  about(key: string): Heard
  /** What it said last. */
  lastWords(): string
}

interface Heard extends Disposable {
  /** Why a request for the object failed; empty when rclone keeps it to itself. */
  reason(): Promise<string>
}

/** Milliseconds. A line is written before the answer is, but comes by another pipe. */
const LATE = 1000
const LAST_WORDS = 4096

const FAILED = /^\w+ request .*?error: (.*)$/s

/** Reads rclone's log as JSON lines: it answers 404 to everything that it cannot open, and 500 to the rest; only the log says why. */
export function rcloneLog(stderr: Readable): RcloneLog {
  const reasons = new EventEmitter().setMaxListeners(0)
  let lastWords = ''
  createInterface({ input: stderr }).on('line', (line) => {
    const { object, msg } = parse(line)
    const [, reason] = FAILED.exec(msg ?? '') ?? []
    if (reason !== undefined) reasons.emit(nameOf(object ?? ''), reason)
    // The last of all comes as plain text.
    if (msg === undefined) lastWords = `${lastWords}\n${line}`.slice(-LAST_WORDS)
  })
  return {
    about: (key) => {
      const name = nameOf(key)
      let heard: string | undefined
      const hear = (reason: string): void => void (heard ??= reason)
      reasons.on(name, hear)
      return {
        reason: async () => {
          if (heard === undefined)
            await once(reasons, name, { signal: AbortSignal.timeout(LATE) }).catch(() => undefined)
          return heard ?? ''
        },
        [Symbol.dispose]: () => void reasons.off(name, hear),
      }
    },
    lastWords: () => lastWords,
  }
}

/** `error` would be more than the name of an event. */
function nameOf(key: string): string {
  return `/${key}`
}

function parse(line: string): { readonly object?: string; readonly msg?: string } {
  try {
    return line.startsWith('{') ? (JSON.parse(line) as { object?: string; msg?: string }) : {}
  } catch {
    return {}
  }
}
