/** Longest error block that ClickHouse writes behind an answer (ClickHouse: src/Server/HTTP/WriteBufferFromHTTPServerResponse.cpp). */
const MOST_ERROR = 32 * 1024

/**
 * An answer as it comes, whose end is held back until it is known to be no error: once it has sent HTTP 200, a server can only
 * write the error behind the rows, in a block that carries a tag of its own, and hang up.
 *
 * @throws Error with ClickHouse's text
 */
export async function* guardAnswer(
  chunks: AsyncIterable<unknown>,
  headers: Readonly<Record<string, unknown>>,
): AsyncGenerator<Uint8Array> {
  let held = Buffer.alloc(0)
  try {
    for await (const chunk of chunks) {
      held = Buffer.concat([held, chunk as Buffer])
      if (held.length <= MOST_ERROR) continue
      yield held.subarray(0, held.length - MOST_ERROR)
      held = held.subarray(held.length - MOST_ERROR)
    }
  } catch (error) {
    throw errorIn(held, headers) ?? error
  }
  const error = errorIn(held, headers)
  if (error) throw error
  yield held
}

function errorIn(end: Buffer, headers: Readonly<Record<string, unknown>>): Error | undefined {
  const tag = headers['x-clickhouse-exception-tag']
  if (typeof tag !== 'string') return undefined
  const [, text] = end.toString().split(`__exception__\r\n${tag}\r\n`)
  return text === undefined ? undefined : new Error(text.split('\n')[0])
}
