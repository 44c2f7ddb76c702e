import { StorageError } from './storage-error.ts'

export interface BodyOptions {
  readonly onBytes?: ((bytes: Uint8Array) => void) | undefined
  /** Bytes that there must be, where the answer says so. */
  readonly expected?: number | undefined
  /** For the message when they are not there. */
  readonly doing: string
}

/** A body as one array with a buffer of its own. @throws broken when it is not as long as the answer said */
export async function readBody(
  chunks: AsyncIterable<Uint8Array>,
  { onBytes, expected, doing }: BodyOptions,
): Promise<Uint8Array<ArrayBuffer>> {
  const received: Uint8Array[] = []
  let length = 0
  for await (const chunk of chunks) {
    received.push(chunk)
    length += chunk.length
    onBytes?.(chunk)
  }
  if (expected !== undefined && expected !== length)
    throw new StorageError('broken', `${length} of ${expected} bytes came: ${doing}`)
  const whole = new Uint8Array(length)
  let at = 0
  for (const chunk of received) {
    whole.set(chunk, at)
    at += chunk.length
  }
  return whole
}

/** A body in slices, each reported when the connection takes it. */
export async function* inSlices(body: Uint8Array, onBytes: (bytes: Uint8Array) => void): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < body.length; at += SLICE) {
    const slice = body.subarray(at, at + SLICE)
    yield slice
    onBytes(slice)
  }
}

const SLICE = 256 * 1024

/** Bytes of a `Content-Range: bytes 0-9/100`. */
export function lengthOfRange(header: string | undefined): number | undefined {
  const [, first, last] = /^bytes (\d+)-(\d+)\//.exec(header ?? '') ?? []
  return first === undefined ? undefined : Number(last) - Number(first) + 1
}

/** The value of a `Range` header. */
export function rangeHeader({ offset, length }: { readonly offset: number; readonly length: number }): string {
  const last = offset + length - 1
  return Number.isSafeInteger(last) ? `bytes=${offset}-${last}` : `bytes=${offset}-`
}
