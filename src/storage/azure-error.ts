import { PermafrostError } from '../core/errors.ts'
import { failureSentence } from './failure-sentence.ts'
import { networkError } from './network-error.ts'
import { StorageError } from './storage-error.ts'
import type { StorageFailure } from './storage-error.ts'

/** Codes of Azure; what is not here is decided by the status. */
const CODES: Readonly<Record<string, StorageFailure>> = {
  ContainerNotFound: 'absent',
  ContainerBeingDeleted: 'absent',
  AuthenticationFailed: 'unauthenticated',
  AuthorizationFailure: 'unauthenticated',
  InvalidAuthenticationInfo: 'unauthenticated',
  NoAuthenticationInformation: 'unauthenticated',
  AccountIsDisabled: 'forbidden',
  AuthorizationPermissionMismatch: 'forbidden',
  BlobImmutableDueToPolicy: 'forbidden',
  InsufficientAccountPermissions: 'forbidden',
  ServerBusy: 'busy',
  InternalError: 'broken',
  Md5Mismatch: 'broken',
  OperationTimedOut: 'broken',
}

const STATUSES: Readonly<Record<number, StorageFailure>> = {
  401: 'unauthenticated',
  403: 'forbidden',
  408: 'broken',
  429: 'busy',
  503: 'busy',
}

const HINTS: Partial<Record<StorageFailure, string>> = {
  unauthenticated:
    'look at account-key or sas-token in repository.credentials and at its expiry, and at the firewall of the account',
  absent: 'make the container, or correct its name in repository.url',
  forbidden: 'give the identity the role of docs/locations.md, or the SAS token the permissions racwdl',
  refused: 'look at the account and the endpoint in repository.url',
}

/** What the SDK threw, as an error of the store. @param doing what was tried, with its object */
export function azureError(error: unknown, doing: string, location: string): PermafrostError {
  if (error instanceof PermafrostError) return error
  if (!(error instanceof Error)) return networkError(error, location)
  if (NO_IDENTITY.has(error.name)) {
    const hint = 'set account-key or sas-token in repository.credentials, or give this machine an identity'
    return new StorageError('unauthenticated', `no credentials for ${location} were found`, { hint, cause: error })
  }
  const { statusCode, code, retryAfter } = factsOf(error)
  if (statusCode === undefined) return networkError(bare(error, code), location)
  const failure = CODES[code] ?? STATUSES[statusCode] ?? (statusCode >= 500 || statusCode < 300 ? 'broken' : 'refused')
  const tried = { doing, location, container: 'container' } as const
  return new StorageError(failure, `${failureSentence(failure, tried)} (${code ? `${code}, ` : ''}${statusCode})`, {
    hint: HINTS[failure],
    retryAfter,
    cause: bare(error, code),
  })
}

/** Whether the SDK's error is one of these answers of Azure. */
export function isAzureCode(error: unknown, ...codes: readonly string[]): error is Error {
  return error instanceof Error && codes.includes(factsOf(error).code)
}

/** Without the request, which holds the signature. */
function bare({ message }: Error, code: string): Error {
  return Object.assign(new Error(message.split('\n')[0]), { code })
}

const NO_IDENTITY = new Set([
  'AggregateAuthenticationError',
  'AuthenticationRequiredError',
  'CredentialUnavailableError',
])

interface Facts {
  readonly statusCode: number | undefined
  readonly code: string
  readonly retryAfter: number | undefined
}

function factsOf(error: Error): Facts {
  const { statusCode, code, response } = error as Error & {
    readonly statusCode?: number
    readonly code?: string
    readonly response?: { readonly headers?: { get(name: string): string | undefined } }
  }
  const headers = response?.headers
  const seconds = Number(headers?.get('retry-after'))
  return {
    statusCode,
    // An answer to HEAD has no body to say it in.
    code: headers?.get('x-ms-error-code') ?? code ?? '',
    retryAfter: seconds > 0 ? seconds * 1000 : undefined,
  }
}
