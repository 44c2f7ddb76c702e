import { isErrno } from '../core/errors.ts'
import { StorageError } from './storage-error.ts'

const UNTRUSTED = [
  'CERT_HAS_EXPIRED',
  'CERT_NOT_YET_VALID',
  'CERT_REVOKED',
  'CERT_UNTRUSTED',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'ERR_TLS_CERT_ALTNAME_INVALID',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
]

/**
 * What a socket or a TLS handshake said, as an error of the store.
 *
 * @param location of the store, for the message
 */
export function networkError(error: unknown, location: string): StorageError {
  const cause = { cause: error }
  if (isErrno(error, 'ENOTFOUND'))
    return new StorageError('absent', `${location} is not there: no such host`, {
      hint: 'look at the name of the host in the location',
      ...cause,
    })
  if (isErrno(error, 'ECONNREFUSED'))
    return new StorageError('absent', `${location} is not there: nothing answers at this port`, {
      hint: 'look whether the server runs, and at the port in the location',
      ...cause,
    })
  if (isErrno(error, ...UNTRUSTED))
    return new StorageError('untrusted', `the certificate of ${location} is not trusted: ${error.message}`, {
      hint: 'give the certificate of the authority that signed it with ?ca=/path/to/ca.pem',
      ...cause,
    })
  return new StorageError('broken', `the connection to ${location} broke: ${messageOf(error)}`, {
    hint: 'look whether the server and the network are well, and run it again',
    ...cause,
  })
}

/** Several addresses of a host that all failed come as one error without a message. */
function messageOf(error: unknown): string {
  if (error instanceof AggregateError && error.message === '') return error.errors.map(messageOf).join(', ')
  return error instanceof Error ? error.message : String(error)
}
