import type { Event } from '../core/events.ts'
import type { LogEntry } from './contract/operations.ts'

type Unnumbered = LogEntry extends infer E ? (E extends LogEntry ? Omit<E, 'seq'> : never) : never

/** What an operation said, numbered, so that a reader whose connection broke goes on where it was. */
export interface JobLog {
  append(entry: Unnumbered): LogEntry
  /** Entries after this number, oldest first. */
  after(seq: number): readonly LogEntry[]
  readonly last: number
}

/** Findings of a badly damaged backup come by the thousand; the first ones tell most, the last ones are seen live. */
const MOST_ENTRIES = 1000

/** A newer progress, or a newer state, replaces the one before: a reader who was away wants the last only. */
export function createJobLog(entries: readonly LogEntry[] = []): JobLog {
  let log = [...entries]
  let last = log.at(-1)?.seq ?? 0
  return {
    append: (entry) => {
      const numbered: LogEntry = { ...entry, seq: ++last }
      if (entry.type === 'progress' || entry.type === 'operation') log = log.filter(({ type }) => type !== entry.type)
      if (log.length >= MOST_ENTRIES) log.splice(MOST_ENTRIES / 2, 1)
      log.push(numbered)
      return numbered
    },
    after: (seq) => log.filter((entry) => entry.seq > seq),
    get last() {
      return last
    },
  }
}

/** An operation's event as an entry; what is said for debugging only is none. */
export function entryOf(event: Event, at: string): Unnumbered | undefined {
  switch (event.type) {
    case 'phase':
    case 'progress':
    case 'finding':
      return { ...event, at }
    case 'debug':
      return undefined
  }
}
