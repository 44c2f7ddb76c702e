import type { ErrorCode } from './errors.ts'

/** What one look of a doctor found. */
export interface Check {
  readonly name: string
  readonly status: 'ok' | 'warning' | 'failed'
  readonly message: string
  /** What to do about it: sentences, or commands to paste. */
  readonly hint?: readonly string[]
  /** Of a failed check: what a command would have failed with. */
  readonly code?: ErrorCode
}
