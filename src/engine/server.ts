import { createClient } from '@clickhouse/client'
import { Readable } from 'node:stream'
import type { DataFormat } from '@clickhouse/client'
import { PermafrostError } from '../core/errors.ts'
import { sql } from '../core/sql.ts'
import type { Sql } from '../core/sql.ts'
import { clickHouseError } from './clickhouse-error.ts'
import { describeServer } from './describe.ts'
import { guardAnswer } from './guard-answer.ts'
import type { Engine, QueryOptions, Row, ServerInfo } from './engine.ts'

export interface ServerOptions {
  readonly url: string
  readonly user?: string | undefined
  readonly password?: string | undefined
  /** Where this machine sees the server's disks, by name, where that is not where the server has them: containers. */
  readonly disks?: Readonly<Record<string, string>> | undefined
  readonly random: (size: number) => Uint8Array
}

/** A FREEZE of every table is started at the same instant, so as many connections must be possible. */
const CONNECTIONS = 512
/** Statements run as long as they run; what must not is given a timeout of its own. */
const FOREVER = 24 * 3600 * 1000
/** Keeps middle boxes from closing a connection on which a long FREEZE sends nothing. */
const HEARTBEAT = { send_progress_in_http_headers: 1, http_headers_progress_interval_ms: '10000' } as const

/** Any ClickHouse server over HTTP, with the files of its disks on this machine. */
export function serverEngine(options: ServerOptions): Engine {
  const url = parseUrl(options.url)
  const location = `${url.protocol}//${url.host}`
  const client = createClient({
    url: location,
    ...(url.pathname.length > 1 && { pathname: url.pathname }),
    username: options.user ?? (decodeURIComponent(url.username) || 'default'),
    password: options.password ?? decodeURIComponent(url.password),
    application: 'permafrost',
    max_open_connections: CONNECTIONS,
    request_timeout: FOREVER,
    log: { level: 127 },
  })

  const run = async <T>(
    work: (parameters: Parameters_) => Promise<T>,
    { signal, timeout, settings }: QueryOptions,
  ): Promise<T> => {
    signal?.throwIfAborted()
    const query_id = `permafrost-${Buffer.from(options.random(12)).toString('hex')}`
    const limit = timeout === undefined ? undefined : AbortSignal.timeout(timeout)
    const abort_signal = AbortSignal.any([signal, limit].filter((it) => it !== undefined))
    try {
      // wait_end_of_query: the server buffers the answer, so that an error half-way is an HTTP status and not a last row.
      return await work({ query_id, abort_signal, clickhouse_settings: { wait_end_of_query: 1, ...settings } })
    } catch (error) {
      if (!abort_signal.aborted) throw clickHouseError(error, location)
      await kill(query_id)
      if (signal?.aborted) throw new PermafrostError('CANCELLED', 'stopped on request', { cause: error })
      throw new PermafrostError('ENGINE_UNAVAILABLE', `ClickHouse at ${location} did not answer within ${timeout} ms`, {
        cause: error,
      })
    }
  }

  /** The client only hangs up; the statement would run on. */
  const kill = async (id: string): Promise<void> => {
    const query = sql`KILL QUERY WHERE query_id = ${id} ASYNC`.text
    await client.command({ query, abort_signal: AbortSignal.timeout(2000) }).catch(() => undefined)
  }

  const query = (statement: Sql, call: QueryOptions = {}): Promise<readonly Row[]> =>
    run(
      async (parameters) => {
        const settings = { ...parameters.clickhouse_settings, output_format_json_quote_64bit_integers: 1 as const }
        const result = await client.query({
          ...parameters,
          clickhouse_settings: settings,
          query: statement.text,
          format: 'JSONEachRow',
        })
        return result.json<Row>()
      },
      { timeout: 300_000, ...call },
    )

  const command = (statement: Sql, call: QueryOptions = {}): Promise<void> =>
    run(async (parameters) => void (await client.command({ ...parameters, query: statement.text })), {
      ...call,
      settings: { ...HEARTBEAT, ...call.settings },
    })

  const stream: Engine['stream'] = async function* stream(statement, { format, whole = false, ...call }) {
    const answer = await run(async ({ query_id, abort_signal, clickhouse_settings }) => {
      const { wait_end_of_query, ...settings } = clickhouse_settings
      // An answer may be larger than any memory, so the server sends it as it goes, and an error may come in the middle.
      const asked = { ...settings, ...(whole && { wait_end_of_query }), default_format: format as DataFormat }
      return client.exec({ query_id, abort_signal, clickhouse_settings: asked, query: statement.text })
    }, call)
    try {
      yield* guardAnswer(answer.stream, answer.response_headers)
    } catch (error) {
      throw clickHouseError(error, location)
    } finally {
      if (!answer.stream.readableEnded) await kill(answer.query_id)
      answer.stream.destroy()
    }
  }

  const insert: Engine['insert'] = (statement, rows, call = {}) =>
    run(async (parameters) => {
      const answer = await client.exec({
        ...parameters,
        query: statement.text,
        values: Readable.from(rows, { objectMode: false }),
      })
      for await (const _ of answer.stream);
    }, call)

  let info: Promise<ServerInfo> | undefined
  return {
    location,
    describe: () => (info ??= describeServer({ query, location }, options.disks ?? {})),
    query,
    stream,
    insert,
    command,
    [Symbol.asyncDispose]: () => client.close(),
  }
}

interface Parameters_ {
  readonly query_id: string
  readonly abort_signal: AbortSignal
  readonly clickhouse_settings: { readonly wait_end_of_query: 1; readonly [setting: string]: string | number }
}

function parseUrl(text: string): URL {
  if (URL.canParse(text)) {
    const url = new URL(text)
    if (url.protocol === 'http:' || url.protocol === 'https:') return url
  }
  const hint = 'write http://127.0.0.1:8123'
  throw new PermafrostError('CONFIG_INVALID', 'clickhouse.url is not an http:// or https:// address', { hint })
}
