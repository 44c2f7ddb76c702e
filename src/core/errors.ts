/**
 * Every way in which Permafrost fails, in one table. Exit codes, HTTP statuses, help and the error docs are made from it.
 * Exit codes 10, 12 and 130 mean what they mean in restic: operators' scripts already know them.
 */
export const ERRORS = {
  INTERNAL: { exit: 1, http: 500, retryable: false, title: 'a bug in Permafrost' },
  USAGE: { exit: 2, http: 400, retryable: false, title: 'the command line is wrong' },
  INCOMPLETE: { exit: 3, http: 200, retryable: false, title: 'finished, but something is missing' },
  CONFIG_INVALID: { exit: 4, http: 500, retryable: false, title: 'the configuration is wrong' },
  NOT_FOUND: { exit: 5, http: 404, retryable: false, title: 'no such backup, table or partition' },
  CONFLICT: { exit: 6, http: 409, retryable: false, title: 'it exists already' },
  UNAUTHORIZED: { exit: 7, http: 401, retryable: false, title: 'not allowed' },
  STORAGE_UNAVAILABLE: { exit: 8, http: 502, retryable: true, title: 'the storage did not do it' },
  ENGINE_UNAVAILABLE: { exit: 9, http: 502, retryable: true, title: 'ClickHouse cannot be reached' },
  REPOSITORY_MISSING: { exit: 10, http: 404, retryable: false, title: 'there is no repository here' },
  KEY_WRONG: { exit: 12, http: 403, retryable: false, title: 'the key does not open this repository' },
  DAMAGED: { exit: 13, http: 500, retryable: false, title: 'bytes are missing or wrong' },
  DRILL_FAILED: { exit: 14, http: 500, retryable: false, title: 'the drill did not pass' },
  FORMAT_TOO_NEW: { exit: 15, http: 500, retryable: false, title: 'written by a newer Permafrost' },
  ENGINE_REFUSED: { exit: 16, http: 400, retryable: false, title: 'ClickHouse said no' },
  FORBIDDEN: { exit: 17, http: 403, retryable: false, title: 'the token does not allow this' },
  TOO_MANY: { exit: 18, http: 429, retryable: true, title: 'too many requests' },
  CANCELLED: { exit: 130, http: 409, retryable: false, title: 'stopped on request' },
} as const

export type ErrorCode = keyof typeof ERRORS

export interface ErrorDetails {
  /** What to do next: a sentence, or commands to paste, one a line. */
  readonly hint?: string | readonly string[] | undefined
  /** Facts for machines: ClickHouse's own code, the object's name. Never a secret. */
  readonly detail?: Readonly<Record<string, unknown>> | undefined
  readonly cause?: unknown
}

export interface ErrorJson {
  readonly code: ErrorCode
  readonly message: string
  readonly hint?: readonly string[]
  readonly detail?: Readonly<Record<string, unknown>>
}

/**
 * An error that a user can act on: a lower-case sentence that names the thing, a stable code, and what to do next.
 * Anything else that is thrown is a bug and is reported as INTERNAL.
 *
 * @example
 * const error = new PermafrostError('NOT_FOUND', 'no backup 7a31', { hint: 'permafrost list' })
 * error.exitCode // 5
 */
export class PermafrostError extends Error {
  override readonly name = 'PermafrostError'
  readonly code: ErrorCode
  readonly hint: readonly string[]
  readonly detail: Readonly<Record<string, unknown>> | undefined

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, 'cause' in details ? { cause: details.cause } : undefined)
    this.code = code
    this.hint = typeof details.hint === 'string' ? [details.hint] : (details.hint ?? [])
    this.detail = details.detail
  }

  get exitCode(): number {
    return ERRORS[this.code].exit
  }

  toJSON(): ErrorJson {
    return {
      code: this.code,
      message: this.message,
      ...(this.hint.length > 0 && { hint: this.hint }),
      ...(this.detail && { detail: this.detail }),
    }
  }
}

/** Is this our error with exactly this code? Catch the code you mean, never "any error". */
export function hasCode(error: unknown, code: ErrorCode): error is PermafrostError {
  return error instanceof PermafrostError && error.code === code
}

/** Is this an error of the operating system with one of these names (`ENOENT`, `EEXIST`, …)? */
export function isErrno(error: unknown, ...names: readonly string[]): error is Error & { readonly code: string } {
  return error instanceof Error && 'code' in error && names.includes(String(error.code))
}

/** Any thrown thing as our error; what was not ours becomes INTERNAL with its cause kept. */
export function toPermafrostError(error: unknown): PermafrostError {
  if (error instanceof PermafrostError) return error
  const message = error instanceof Error ? error.message : String(error)
  return new PermafrostError('INTERNAL', message || 'unknown error', { cause: error })
}
