/** Longest error block that ClickHouse writes behind an answer (ClickHouse: src/Server/HTTP/WriteBufferFromHTTPServerResponse.cpp). */
const MOST_ERROR = 32 * 1024

/**
 * An answer as it comes, whose end is held back until it is known to be no error: with HTTP 200 sent, a server can only write
 * the error behind the rows, between lines that carry a tag of its own.
 *
 * @throws Error with ClickHouse's text
 */
export async function* guardAnswer(
  chunks: AsyncIterable<unknown>,
  headers: Readonly<Record<string, unknown>>,
): AsyncGenerator<Uint8Array> {
  const tag = headers['x-clickhouse-exception-tag']
  let held = Buffer.alloc(0)
  for await (const chunk of chunks) {
    held = Buffer.concat([held, chunk as Buffer])
    if (held.length <= MOST_ERROR) continue
    yield held.subarray(0, held.length - MOST_ERROR)
    held = held.subarray(held.length - MOST_ERROR)
  }
  const marks = typeof tag === 'string' ? [`__exception__\r\n${tag}\r\n`, `\n${tag}\r\n__exception__`] : []
  const [begin = -1, end = -1] = marks.map((mark) => held.lastIndexOf(mark))
  if (begin >= 0) {
    const text = held.subarray(begin + (marks[0]?.length ?? 0), end < begin ? undefined : end).toString()
    throw new Error(text.replace(/\s*\d*\s*$/, ''))
  }
  yield held
}
