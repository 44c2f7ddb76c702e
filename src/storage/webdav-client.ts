import { httpDispatcher } from './http-dispatcher.ts'
import { httpRequest, retryAfter } from './http-request.ts'
import type { HttpAnswer, HttpRequest } from './http-request.ts'
import { StorageError } from './storage-error.ts'

export interface WebdavOptions {
  /** Where the repository is: `https://host/path`, without user and password. */
  readonly url: string
  readonly user?: string | undefined
  readonly password?: string | undefined
  /** A file with the certificate of an authority to trust instead of the system's. */
  readonly ca?: string | undefined
  readonly proxy?: string | undefined
}

export interface WebdavRequest extends Omit<HttpRequest, 'body'> {
  readonly body?: Uint8Array
  /** Statuses that are answers; any other is thrown as an error. */
  readonly expect: readonly number[]
}

export interface WebdavClient {
  readonly location: string
  /** The URL of a path below the location; `''` is the location itself. */
  urlOf(path: string): string
  send(asked: WebdavRequest): Promise<HttpAnswer>
}

/** WebDAV's verbs over HTTP, with a login and errors of ours. */
export function webdavClient({ url: root, user, password, ...http }: WebdavOptions, connections: number): WebdavClient {
  const base = root.replace(/\/+$/, '')
  const location = base.replace(/^http/, 'webdav')
  const dispatcher = httpDispatcher({ ...http, connections })
  const authorization =
    user === undefined ? undefined : `Basic ${Buffer.from(`${user}:${password ?? ''}`).toString('base64')}`

  return {
    location,
    urlOf: (path) => (path === '' ? base : `${base}/${path}`),
    send: async ({ headers, body, expect, ...asked }) => {
      const login = authorization === undefined ? {} : { authorization }
      const answer = await httpRequest(
        { ...asked, headers: { ...headers, ...login }, ...(body && { body: [body] }) },
        { dispatcher, location },
      )
      if (!expect.includes(answer.status)) throw refusal(answer, asked.doing, location)
      return answer
    },
  }
}

function refusal({ status, headers }: HttpAnswer, doing: string, location: string): StorageError {
  const said = `${location} answered ${status} to: ${doing}`
  switch (status) {
    case 401:
      return new StorageError('unauthenticated', `${location} does not accept the user or its password`, {
        hint: 'look at the user in the location and at the password; of the kinds of login it must offer Basic',
      })
    case 403:
      return new StorageError('forbidden', `not allowed to ${doing} at ${location}`, {
        hint: 'give the account the right to read and write this directory',
      })
    case 405:
    case 501:
      return new StorageError('refused', `${said}: this is not a place for WebDAV`, {
        hint: 'look at the path of the location, and whether WebDAV is switched on for it',
      })
    case 413:
      return new StorageError('refused', `${said}: too large for this server`, {
        hint: 'raise its limit on the size of a request to 1 GiB (nginx: client_max_body_size)',
      })
    case 507:
      return new StorageError('full', `no space left to ${doing} at ${location}`, {
        hint: 'free space there, or raise the quota, and run it again',
      })
    case 423:
    case 429:
    case 503:
      return new StorageError('busy', said, { retryAfter: retryAfter(headers['retry-after']) })
    default:
      return status >= 500
        ? new StorageError('broken', said, { hint: 'look at the log of the server, and at the space on its disk' })
        : new StorageError('refused', said, { hint: 'look at the path of the location and at the log of the server' })
  }
}
