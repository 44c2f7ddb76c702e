import { PermafrostError } from '../core/errors.ts'
import type { ErrorCode, ErrorDetails } from '../core/errors.ts'

/**
 * Why a store did not do what it was asked, in one table. An adapter only says which of these its library's error is; the
 * layer above (retry.ts) does the rest by this table and never looks at a vendor's error.
 */
export const FAILURES = {
  /** 429, 503, SlowDown: it asks for patience. */
  busy: { code: 'STORAGE_UNAVAILABLE', retryable: true },
  /** Reset, timed out, cut short, a 500: nobody knows whether it was done. */
  broken: { code: 'STORAGE_UNAVAILABLE', retryable: true },
  /** Other bytes came than were stored: none of them may be kept. */
  spoilt: { code: 'STORAGE_UNAVAILABLE', retryable: true },
  /** An answer that will be the same next time. */
  refused: { code: 'STORAGE_UNAVAILABLE', retryable: false },
  /** No space, a quota. */
  full: { code: 'STORAGE_UNAVAILABLE', retryable: false },
  /** The bucket, the container or the server is not there. */
  absent: { code: 'STORAGE_UNAVAILABLE', retryable: false },
  /** Wrong, missing or expired credentials. */
  unauthenticated: { code: 'UNAUTHORIZED', retryable: false },
  /** Good credentials that may not do this. */
  forbidden: { code: 'UNAUTHORIZED', retryable: false },
  /** A host key or a certificate that is not the known one. */
  untrusted: { code: 'UNAUTHORIZED', retryable: false },
} as const satisfies Record<string, { readonly code: ErrorCode; readonly retryable: boolean }>

export type StorageFailure = keyof typeof FAILURES

export interface StorageErrorDetails extends ErrorDetails {
  /** Milliseconds that the store asked to wait. */
  readonly retryAfter?: number | undefined
}

/** An error of a store. The message names the location and the key, never a credential. */
export class StorageError extends PermafrostError {
  readonly failure: StorageFailure
  readonly retryAfter: number | undefined

  constructor(failure: StorageFailure, message: string, { retryAfter, ...details }: StorageErrorDetails = {}) {
    super(FAILURES[failure].code, message, details)
    this.failure = failure
    this.retryAfter = retryAfter
  }
}
