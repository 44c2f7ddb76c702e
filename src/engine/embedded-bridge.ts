import { Session } from 'chdb'
import { timingSafeEqual } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'

// The entry of the engine's process where foreign calls are not possible: ClickHouse's HTTP protocol, as far as
// @clickhouse/client needs it, over chDB's sessions. A session for every request keeps their settings apart. It has no users,
// no grants and no streaming; the server in embedded-server.ts has.

interface Job {
  readonly path: string
  readonly port: number
  readonly file: string
  /** A file that holds the password. */
  readonly secret: string
}

const STATUS: Readonly<Record<number, number>> = { 60: 404, 62: 400, 81: 404, 241: 500, 497: 403, 516: 401 }
/** Parameters of the HTTP interface that are no settings. */
const NOT_SETTINGS = new Set([
  'query',
  'database',
  'query_id',
  'default_format',
  'wait_end_of_query',
  'session_id',
  'enable_http_compression',
])

const job = JSON.parse(process.argv[2] ?? '{}') as Job
// Out of the configuration's directory, not the arguments: those are for every user of the machine to see.
const password = readFileSync(job.secret, 'utf8')
const root = new Session(job.path, { connectionArgs: [`--config-file=${job.file}`] })
const version = root.query('SELECT version()', 'TSV').trim()

createServer((request, response) => void answer(request, response)).listen(job.port, '127.0.0.1')
// The parent holds this pipe open: its end, however it comes, is ours.
process.stdin.resume().on('end', () => {
  root.close()
  process.exit(0)
})

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://127.0.0.1')
  if (url.pathname === '/ping') return void response.end('Ok.\n')
  if (!authorized(request))
    return refuse(response, {
      code: 516,
      message: 'Code: 516. DB::Exception: Authentication failed. (AUTHENTICATION_FAILED)',
    })
  const body = await readBody(request)
  const query = url.searchParams.get('query') ?? ''
  const session = new Session(job.path)
  try {
    for (const [name, value] of url.searchParams) {
      if (!NOT_SETTINGS.has(name)) await session.queryAsync(`SET ${settingName(name)} = ${settingValue(value)}`)
    }
    const format = url.searchParams.get('default_format') ?? 'TabSeparated'
    const result = await session.queryAsync(query ? `${query}\n${body}` : body, {
      format: formatOf(query || body) ?? format,
    })
    response.writeHead(200, { 'X-ClickHouse-Query-Id': url.searchParams.get('query_id') ?? '' })
    response.end(Buffer.from(result.bytes()))
  } catch (error) {
    refuse(response, parseError(error))
  } finally {
    session.close()
  }
}

function authorized(request: IncomingMessage): boolean {
  const [, encoded = ''] = (request.headers.authorization ?? '').split(' ')
  const given = Buffer.from(encoded, 'base64').toString().split(':').slice(1).join(':')
  const [a, b] = [Buffer.from(given), Buffer.from(password)]
  return a.length === b.length && timingSafeEqual(a, b)
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString()
}

function settingName(name: string): string {
  if (!/^\w+$/.test(name)) throw new Error(`Code: 115. DB::Exception: Unknown setting ${name}. (UNKNOWN_SETTING)`)
  return name
}

function settingValue(value: string): string {
  return /^-?\d+(\.\d+)?$/.test(value) ? value : `'${value.replace(/[\\']/g, '\\$&')}'`
}

/** The client writes the format behind the query. */
function formatOf(query: string): string | undefined {
  return /\bFORMAT\s+(\w+)\s*;?\s*$/i.exec(query)?.[1]
}

function parseError(error: unknown): { readonly code: number; readonly message: string } {
  const message = error instanceof Error ? error.message : String(error)
  const at = message.indexOf('Code:')
  const text = at > 0 ? message.slice(at) : message
  return {
    code: Number(/Code: (\d+)/.exec(text)?.[1] ?? 1001),
    message: text.includes('(version') ? text : `${text} (version ${version})`,
  }
}

function refuse(
  response: ServerResponse,
  { code, message }: { readonly code: number; readonly message: string },
): void {
  response.writeHead(STATUS[code] ?? 500, { 'X-ClickHouse-Exception-Code': String(code) })
  response.end(`${message}\n`)
}
