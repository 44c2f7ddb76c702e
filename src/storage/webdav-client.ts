import { Readable } from 'node:stream'
import { request } from 'undici'
import type { Dispatcher } from 'undici'
import { PermafrostError } from '../core/errors.ts'
import { httpDispatcher } from './http-dispatcher.ts'
import { networkError } from './network-error.ts'
import { inSlices, readBody } from './read-body.ts'
import type { CallOptions } from './storage.ts'
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

export interface WebdavRequest extends CallOptions {
  readonly method: string
  readonly url: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Uint8Array
  /** Statuses that are answers; any other is thrown as an error. */
  readonly expect: readonly number[]
  /** What is tried, for the message: `write packs/…`. */
  readonly doing: string
}

export interface WebdavAnswer {
  readonly status: number
  readonly headers: Dispatcher.ResponseData['headers']
  readonly body: Uint8Array<ArrayBuffer>
}

export interface WebdavClient {
  readonly location: string
  /** The URL of a path below the location; `''` is the location itself. */
  urlOf(path: string): string
  send(asked: WebdavRequest): Promise<WebdavAnswer>
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
    send: async ({ method, url, headers, body, expect, doing, signal, onBytes }) => {
      try {
        const answer = await request(url, {
          method,
          dispatcher,
          headers: {
            ...headers,
            ...(authorization !== undefined && { authorization }),
            ...(body !== undefined && { 'content-length': String(body.length) }),
          },
          ...(body !== undefined && { body: Readable.from(inSlices(body, (bytes) => onBytes?.(bytes))) }),
          ...(signal && { signal }),
        })
        // The whole instead of a range is no part of what was asked for.
        const wanted = headers?.['range'] === undefined ? 200 : 206
        const reported = answer.statusCode === wanted ? onBytes : undefined
        const bytes = await readBody(answer.body, { onBytes: reported, doing })
        if (!expect.includes(answer.statusCode)) throw refusal(answer, doing, location)
        return { status: answer.statusCode, headers: answer.headers, body: bytes }
      } catch (error) {
        signal?.throwIfAborted()
        throw error instanceof PermafrostError ? error : networkError(error, location)
      }
    },
  }
}

function refusal({ statusCode, headers }: Dispatcher.ResponseData, doing: string, location: string): StorageError {
  const said = `${location} answered ${statusCode} to: ${doing}`
  switch (statusCode) {
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
      return statusCode >= 500
        ? new StorageError('broken', said, { hint: 'look at the log of the server, and at the space on its disk' })
        : new StorageError('refused', said, { hint: 'look at the path of the location and at the log of the server' })
  }
}

function retryAfter(header: string | string[] | undefined): number | undefined {
  const seconds = Number(header)
  return Number.isFinite(seconds) ? seconds * 1000 : undefined
}
