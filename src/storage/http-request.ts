import { Readable } from 'node:stream'
import { request } from 'undici'
import type { Dispatcher } from 'undici'
import { PermafrostError } from '../core/errors.ts'
import { networkError } from './network-error.ts'
import { inSlices, readBody } from './read-body.ts'
import type { CallOptions } from './storage.ts'

export interface HttpRequest extends CallOptions {
  readonly method: string
  readonly url: string
  readonly headers?: Readonly<Record<string, string>>
  /** In pieces, so that nobody has to join them. */
  readonly body?: readonly Uint8Array[]
  /** What is tried, for messages: `write packs/…`. */
  readonly doing: string
}

export interface HttpAnswer {
  readonly status: number
  readonly headers: Dispatcher.ResponseData['headers']
  readonly body: Uint8Array<ArrayBuffer>
}

/** One request and its whole answer, of any status. @param location for messages */
export async function httpRequest(
  { method, url, headers, body, doing, signal, onBytes }: HttpRequest,
  { dispatcher, location }: { readonly dispatcher: Dispatcher; readonly location: string },
): Promise<HttpAnswer> {
  try {
    const answer = await request(url, {
      method,
      dispatcher,
      headers: { ...headers, ...(body && { 'content-length': String(lengthOf(body)) }) },
      ...(body && { body: Readable.from(pieces(body, onBytes)) }),
      ...(signal && { signal }),
    })
    // The whole instead of a range is no part of what was asked for.
    const wanted = headers?.['range'] === undefined ? 200 : 206
    const reported = answer.statusCode === wanted ? onBytes : undefined
    const bytes = await readBody(answer.body, { onBytes: reported, doing })
    return { status: answer.statusCode, headers: answer.headers, body: bytes }
  } catch (error) {
    signal?.throwIfAborted()
    throw error instanceof PermafrostError ? error : networkError(error, location)
  }
}

/** Milliseconds of a `Retry-After: 120`. */
export function retryAfter(header: string | string[] | undefined): number | undefined {
  const seconds = Number(header)
  return Number.isFinite(seconds) ? seconds * 1000 : undefined
}

async function* pieces(body: readonly Uint8Array[], onBytes: CallOptions['onBytes']): AsyncGenerator<Uint8Array> {
  for (const piece of body) yield* inSlices(piece, (bytes) => onBytes?.(bytes))
}

function lengthOf(body: readonly Uint8Array[]): number {
  return body.reduce((sum, { length }) => sum + length, 0)
}
