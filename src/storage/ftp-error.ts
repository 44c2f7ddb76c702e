import { FTPError } from 'basic-ftp'
import { PermafrostError } from '../core/errors.ts'
import { networkError } from './network-error.ts'
import { StorageError } from './storage-error.ts'

/** Is this an answer about a file that is not there, as far as FTP can tell: 550, for some 450, is said for many reasons. */
export function isUnavailable(error: unknown): error is FTPError {
  if (!(error instanceof FTPError) || (error.code !== 550 && error.code !== 450)) return false
  return !DENIED.test(error.message) && !FULL.test(error.message)
}

const DENIED = /denied|not permitted|not allowed|forbidden|prohibited|read-only/i
const FULL = /quota|no space|disk full|insufficient storage|exceed/i
/** What proftpd says of a full disk that took a part of a write. It may be broken as well, but not for a moment. */
const DISK = /input\/output error/i

/**
 * An answer of the server or an error of a connection as ours.
 *
 * @param doing what was tried, with its object: `write packs/…`
 */
export function ftpError(error: unknown, doing: string, location: string): PermafrostError {
  if (error instanceof PermafrostError) return error
  if (!(error instanceof FTPError)) return networkError(error, location)
  const failure = failureOf(error)
  const { says, hint } = ANSWERS[failure]
  return new StorageError(failure, says({ location, doing, said: error.message }), { hint, cause: error })
}

interface Words {
  readonly location: string
  readonly doing: string
  readonly said: string
}

const ANSWERS = {
  unauthenticated: {
    says: ({ location }: Words) => `${location} does not accept the user or its password`,
    hint: 'look at the user in the location and at the password',
  },
  forbidden: {
    says: ({ location, doing }: Words) => `not allowed to ${doing} at ${location}`,
    hint: 'give the account the right to read and write this directory',
  },
  full: {
    says: ({ location, doing }: Words) => `no space left to ${doing} at ${location}`,
    hint: 'free space there, or raise the quota, and run it again',
  },
  busy: {
    says: ({ location, said }: Words) => `${location} asks for patience: ${said}`,
    hint: 'allow it more connections, or run it when less is going on',
  },
  broken: {
    says: ({ location, doing, said }: Words) => `${location} could not ${doing}: ${said}`,
    hint: 'look whether the server and the firewalls let passive data connections through, and run it again',
  },
  refused: {
    says: ({ location, doing, said }: Words) => `${location} refused to ${doing}: ${said}`,
    hint: 'look at the space and the rights of the account there, whether the server speaks TLS, and at its log',
  },
} as const

function failureOf({ code, message }: FTPError): keyof typeof ANSWERS {
  switch (code) {
    case 332:
    case 430:
    case 530:
      return 'unauthenticated'
    case 452:
    case 552:
      return 'full'
    case 532:
      return 'forbidden'
    case 421:
      return 'busy'
    case 425:
    case 426:
    case 450:
    case 451:
      return DISK.test(message) ? 'refused' : 'broken'
    default:
      return FULL.test(message) ? 'full' : DENIED.test(message) ? 'forbidden' : 'refused'
  }
}
