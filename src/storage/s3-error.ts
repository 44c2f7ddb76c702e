import { PermafrostError } from '../core/errors.ts'
import { failureSentence } from './failure-sentence.ts'
import { networkError } from './network-error.ts'
import { StorageError } from './storage-error.ts'
import type { StorageFailure } from './storage-error.ts'

/** Codes of S3 and of the stores that speak it; what is not here is decided by the status. */
const CODES: Readonly<Record<string, StorageFailure>> = {
  NoSuchBucket: 'absent',
  InvalidAccessKeyId: 'unauthenticated',
  SignatureDoesNotMatch: 'unauthenticated',
  ExpiredToken: 'unauthenticated',
  ExpiredTokenException: 'unauthenticated',
  InvalidToken: 'unauthenticated',
  InvalidClientTokenId: 'unauthenticated',
  TokenRefreshRequired: 'unauthenticated',
  RequestTimeTooSkewed: 'unauthenticated',
  CredentialsProviderError: 'unauthenticated',
  AccessDenied: 'forbidden',
  AllAccessDisabled: 'forbidden',
  SlowDown: 'busy',
  ServiceUnavailable: 'busy',
  Throttling: 'busy',
  ThrottlingException: 'busy',
  TooManyRequests: 'busy',
  RequestLimitExceeded: 'busy',
  ConditionalRequestConflict: 'busy',
  OperationAborted: 'busy',
  QuotaExceeded: 'full',
  XMinioStorageFull: 'full',
  BadDigest: 'broken',
  IncompleteBody: 'broken',
  InternalError: 'broken',
  RequestTimeout: 'broken',
  XAmzContentSHA256Mismatch: 'broken',
}

const STATUSES: Readonly<Record<number, StorageFailure>> = {
  401: 'unauthenticated',
  403: 'forbidden',
  408: 'broken',
  429: 'busy',
  503: 'busy',
  507: 'full',
}

const HINTS: Partial<Record<StorageFailure, string>> = {
  unauthenticated: 'look at access-key-id and secret-access-key in repository.credentials, or at the profile or role',
  absent: 'make the bucket, or correct its name in repository.url',
  full: 'raise the quota or free space there, and run it again',
}

export interface S3Caller {
  readonly location: string
  /** Whether the credentials end by themselves. */
  readonly temporary: boolean
}

const OVER = 'get new credentials: the session token is over'
const POLICY = 'give them the policy of docs/locations.md'
/** Ceph, of those that were tried, does not say whether it is the token that it denies. */
const EITHER = ['get new credentials if the session token is over', `otherwise ${POLICY}`]

/** What the SDK threw, as an error of the store. @param doing what was tried, with its object */
export function s3Error(error: unknown, doing: string, { location, temporary }: S3Caller): PermafrostError {
  if (error instanceof PermafrostError) return error
  const { name, status, retryAfter, told } = factsOf(error)
  // Not a word of the store's: the network, or an answer that came broken.
  if (!told && CODES[name] === undefined) return networkError(causeOf(error), location)
  const failure = CODES[name] ?? STATUSES[status ?? 0] ?? ((status ?? 0) >= 500 ? 'broken' : 'refused')
  const tried = { doing, location, container: 'bucket' } as const
  return new StorageError(failure, `${failureSentence(failure, tried)} (${name}${status ? `, ${status}` : ''})`, {
    hint: failure === 'forbidden' && temporary ? EITHER : hintFor(name, failure),
    retryAfter,
    cause: error,
  })
}

function hintFor(name: string, failure: StorageFailure): string | undefined {
  if (name.startsWith('ExpiredToken')) return OVER
  if (name === 'RequestTimeTooSkewed') return 'set the clock of this machine'
  if (failure === 'forbidden') return POLICY
  if (failure === 'refused') return 'look at region, endpoint and path-style in repository.url'
  return HINTS[failure]
}

interface Facts {
  /** Whether the SDK understood an answer of the store. */
  readonly told: boolean
  readonly name: string
  readonly status: number | undefined
  readonly retryAfter: number | undefined
}

function factsOf(error: unknown): Facts {
  if (!(error instanceof Error)) return { told: false, name: 'unknown', status: undefined, retryAfter: undefined }
  const { $metadata, $response } = error as Error & {
    readonly $metadata?: { readonly httpStatusCode?: number }
    readonly $response?: { readonly headers?: Readonly<Record<string, string>> }
  }
  const seconds = Number($response?.headers?.['retry-after'])
  return {
    told: '$fault' in error,
    name: error.name,
    status: $metadata?.httpStatusCode,
    retryAfter: Number.isFinite(seconds) ? seconds * 1000 : undefined,
  }
}

/** undici wraps what the socket said; the SDK wraps that. */
function causeOf(error: unknown): unknown {
  if (error instanceof Error && error.cause instanceof Error && !('code' in error && error.code === 'ECONNREFUSED'))
    return 'code' in error.cause ? error.cause : error
  return error
}
