import type { ErrorCode } from '../core/errors.ts'

/** A line of the agent's log. */
export interface LogLine {
  readonly level: 'info' | 'warning' | 'error' | 'audit'
  readonly message: string
  readonly code?: ErrorCode
  readonly [fact: string]: unknown
}

export type Log = (line: LogLine) => void

/** A log of one JSON document a line; a journal or a collector adds the rest. */
export function jsonLog(write: (text: string) => void, clock: () => Date): Log {
  return ({ level, message, ...facts }) =>
    write(`${JSON.stringify({ at: clock().toISOString(), level, message, ...facts })}\n`)
}
