import type { Dispatcher } from 'undici'
import { gcsError, gcsIdentityError } from './gcs-error.ts'
import { httpRequest } from './http-request.ts'
import type { HttpAnswer, HttpRequest } from './http-request.ts'

export interface GcsClientOptions {
  /** Headers with a token that is still good. */
  readonly authorize: () => Promise<Headers>
  readonly dispatcher: Dispatcher
  /** `https://storage.googleapis.com` */
  readonly endpoint: string
  readonly location: string
}

export interface GcsRequest extends Omit<HttpRequest, 'url'> {
  /** Below the endpoint: `/storage/v1/b/…`. */
  readonly path: string
  readonly query?: Readonly<Record<string, string | undefined>>
  /** Statuses that are answers; any other is thrown as an error. */
  readonly expect: readonly number[]
}

export type GcsClient = (asked: GcsRequest) => Promise<HttpAnswer>

/** Google's JSON API over HTTP: a request with the identity's token, and errors of ours. */
export function gcsClient({ authorize, endpoint, ...to }: GcsClientOptions): GcsClient {
  return async ({ path, query = {}, headers, expect, ...asked }) => {
    const url = new URL(path, endpoint)
    for (const [name, value] of Object.entries(query)) if (value !== undefined) url.searchParams.set(name, value)
    const identity = await authorize().catch((error: unknown) => {
      throw gcsIdentityError(error, to.location)
    })
    const answer = await httpRequest(
      { ...asked, url: url.href, headers: { ...headers, ...Object.fromEntries(identity) } },
      to,
    )
    if (!expect.includes(answer.status)) throw gcsError(answer, asked.doing, to.location)
    return answer
  }
}
