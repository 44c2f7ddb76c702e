import { failureSentence } from './failure-sentence.ts'
import { retryAfter } from './http-request.ts'
import type { HttpAnswer } from './http-request.ts'
import { networkError } from './network-error.ts'
import { StorageError } from './storage-error.ts'
import type { StorageFailure } from './storage-error.ts'

const STATUSES: Readonly<Record<number, StorageFailure>> = {
  401: 'unauthenticated',
  403: 'forbidden',
  404: 'absent',
  408: 'broken',
  429: 'busy',
  503: 'busy',
}

const HINTS: Partial<Record<StorageFailure, string>> = {
  unauthenticated:
    'look at service-account in repository.credentials, or at the identity and the clock of this machine',
  absent: 'make the bucket, or correct its name in repository.url',
  forbidden: 'give the identity the roles of docs/locations.md',
  refused: 'look at the bucket, the class and the key in repository.url',
}

/** An answer of Google's that is none of the expected ones. @param doing what was tried, with its object */
export function gcsError(answer: HttpAnswer, doing: string, location: string): StorageError {
  const { message, reason } = said(answer)
  const failure = failureOf(answer.status, reason, message)
  const why = [reason, answer.status].filter(Boolean).join(', ')
  const tried = { doing, location, container: 'bucket' } as const
  return new StorageError(failure, `${failureSentence(failure, tried)} (${why})`, {
    hint: HINTS[failure],
    retryAfter: retryAfter(answer.headers['retry-after']),
    cause: new Error(message),
  })
}

/** A 404 for an object in a bucket that is not there either. */
export function isBucketMissing(answer: HttpAnswer): boolean {
  return /bucket does not exist/i.test(said(answer).message)
}

/** No token: the error of Google's library without what it knows. */
export function gcsIdentityError(error: unknown, location: string): StorageError {
  const { message, code } = error as { readonly message: string; readonly code?: unknown }
  const cause = Object.assign(new Error(message.split('\n')[0]), { code })
  if (typeof code === 'string' && code.startsWith('E'))
    return networkError(cause, `the issuer of tokens for ${location}`)
  return new StorageError('unauthenticated', `no credentials for ${location} were found, or they are not accepted`, {
    hint: 'set service-account in repository.credentials, or give this machine an identity',
    cause,
  })
}

function failureOf(status: number, reason: string, message: string): StorageFailure {
  if (/rateLimitExceeded/i.test(reason)) return 'busy'
  // The bytes were not those of the hash that came along: the way spoilt them.
  if (status === 400 && /md5|crc32c/i.test(message)) return 'broken'
  // A success that is not the one that was asked for is an error in its clothes.
  return STATUSES[status] ?? (status >= 500 || status < 300 ? 'broken' : 'refused')
}

/** Errors are JSON, of media plain text. */
function said({ body }: HttpAnswer): { readonly message: string; readonly reason: string } {
  const text = Buffer.from(body).toString()
  try {
    const { error } = JSON.parse(text) as { error?: { message?: string; errors?: { reason?: string }[] } }
    return { message: error?.message ?? '', reason: error?.errors?.[0]?.reason ?? '' }
  } catch {
    return { message: text.slice(0, 200), reason: '' }
  }
}
