import { timingSafeEqual } from 'node:crypto'
import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { listPage } from './list-page.ts'

/** A file that the gateway shows. */
export interface ViewFile {
  /** Bytes. */
  readonly size: number
  read(range: { readonly offset: number; readonly length: number }): AsyncIterable<Uint8Array>
}

export interface GatewayOptions {
  /** Loopback unless the user wants to be seen. */
  readonly host?: string
  readonly port?: number
  readonly random: (size: number) => Uint8Array
  /** A file could not be read. The client is told so, too, but cannot tell why. */
  readonly onFailure: (error: unknown, key: string) => void
}

/** Files under keys, as an S3 bucket that can only be read. */
export interface Gateway extends AsyncDisposable {
  /** Of the bucket; with a slash at its end. */
  readonly endpoint: string
  /** Made for this run: whoever does not know it gets nothing. */
  readonly accessKey: string
  /** Show more files. */
  add(files: ReadonlyMap<string, ViewFile>): void
}

const BUCKET = 'backup'
const MOST_KEYS = 1000
/** Objects never change, so neither do these. */
const ENTITY = { etag: '"permafrost"', 'last-modified': 'Thu, 01 Jan 2026 00:00:00 GMT' } as const

/**
 * As much of S3 as ClickHouse's `s3_plain` disk asks of it: HEAD, LIST, and GET with ranges. An error is a 400, which no client
 * repeats: what cannot be read now cannot be read a second later.
 */
export async function openGateway(options: GatewayOptions): Promise<Gateway> {
  const accessKey = Buffer.from(options.random(24)).toString('hex')
  const files = new Map<string, ViewFile>()
  let sorted: readonly string[] = []
  const server = createServer((request, response) => {
    answer(request, response, { files, keys: () => sorted, ...options, accessKey }).catch((error: unknown) => {
      // The client hung up: it has read what it wanted.
      if (!response.writableEnded) response.destroy(error instanceof Error ? error : undefined)
    })
  })
  server.keepAliveTimeout = 60_000
  const { host = '127.0.0.1', port = 0 } = options
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(port, host, () => resolve())
  })
  const { port: bound } = server.address() as AddressInfo
  return {
    endpoint: `http://${host.includes(':') ? `[${host}]` : host}:${bound}/${BUCKET}/`,
    accessKey,
    add: (more) => {
      for (const [key, file] of more) files.set(key, file)
      sorted = [...files.keys()].sort(compare)
    },
    [Symbol.asyncDispose]: async () => {
      const closed = new Promise((done) => server.close(done))
      server.closeAllConnections()
      await closed
    },
  }
}

interface Shown extends Pick<GatewayOptions, 'onFailure'> {
  readonly files: ReadonlyMap<string, ViewFile>
  readonly keys: () => readonly string[]
  readonly accessKey: string
}

async function answer(request: IncomingMessage, response: ServerResponse, shown: Shown): Promise<void> {
  request.resume()
  const url = new URL(request.url ?? '/', 'http://gateway')
  const [, bucket = '', key = ''] = /^\/([^/]*)\/?(.*)$/s.exec(decodeURIComponent(url.pathname)) ?? []
  if (!isAllowed(request, shown.accessKey) || bucket !== BUCKET) return refuse(response, 403, 'AccessDenied')
  if (request.method !== 'GET' && request.method !== 'HEAD') return refuse(response, 403, 'AccessDenied')
  if (key === '') return list(response, url.searchParams, shown)
  const file = shown.files.get(key)
  if (!file) return refuse(response, 404, 'NoSuchKey')
  const range = rangeOf(request.headers.range, file.size)
  if (!range) return refuse(response, 416, 'InvalidRange')
  await send(request, response, { key, file, range, onFailure: shown.onFailure })
}

/** The access key travels in every signed request. It is checked, the signature is not: on the loopback nobody listens in. */
function isAllowed(request: IncomingMessage, accessKey: string): boolean {
  const given = Buffer.from(/Credential=([^/]*)\//.exec(request.headers.authorization ?? '')?.[1] ?? '')
  const right = Buffer.from(accessKey)
  return given.length === right.length && timingSafeEqual(given, right)
}

interface Wanted {
  readonly key: string
  readonly file: ViewFile
  readonly range: { readonly offset: number; readonly length: number; readonly partial: boolean }
  readonly onFailure: GatewayOptions['onFailure']
}

async function send(
  request: IncomingMessage,
  response: ServerResponse,
  { key, file, range, onFailure }: Wanted,
): Promise<void> {
  const { offset, length, partial } = range
  const headers = {
    ...ENTITY,
    'accept-ranges': 'bytes',
    'content-type': 'application/octet-stream',
    'content-length': length,
    ...(partial && { 'content-range': `bytes ${offset}-${offset + length - 1}/${file.size}` }),
  }
  if (request.method === 'HEAD' || length === 0) return void response.writeHead(200, headers).end()
  const bytes = file.read({ offset, length })[Symbol.asyncIterator]()
  const fail = (error: unknown): never => {
    onFailure(error, key)
    throw error
  }
  let first: IteratorResult<Uint8Array>
  try {
    first = await bytes.next()
  } catch (error) {
    onFailure(error, key)
    return refuse(response, 400, 'InvalidRequest')
  }
  response.writeHead(partial ? 206 : 200, headers)
  async function* all(): AsyncGenerator<Uint8Array> {
    try {
      for (let next = first; !next.done; next = await bytes.next().catch(fail)) yield next.value
    } finally {
      await bytes.return?.()
    }
  }
  await pipeline(Readable.from(all(), { objectMode: false, highWaterMark: 1 }), response)
}

/** One range from its begin on; anything else is not asked by our clients. */
function rangeOf(header: string | undefined, size: number): Wanted['range'] | undefined {
  const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(header ?? '') ?? []
  if (from === undefined) return { offset: 0, length: size, partial: false }
  const offset = Number(from)
  const end = to === undefined || to === '' ? size : Math.min(size, Number(to) + 1)
  return offset < end ? { offset, length: end - offset, partial: true } : undefined
}

/** ListObjects, both versions of it. */
function list(response: ServerResponse, query: URLSearchParams, shown: Shown): void {
  const page = listPage(shown.keys(), {
    prefix: query.get('prefix') ?? '',
    delimiter: query.get('delimiter') ?? '',
    most: Math.min(Number(query.get('max-keys') ?? MOST_KEYS), MOST_KEYS),
    after: query.get('continuation-token') ?? query.get('start-after') ?? query.get('marker') ?? '',
  })
  const { keys, folders, next } = page
  const more =
    next === undefined
      ? ''
      : `<NextContinuationToken>${escapeXml(next)}</NextContinuationToken><NextMarker>${escapeXml(next)}</NextMarker>`
  const body = [
    `<Name>${BUCKET}</Name><KeyCount>${keys.length + folders.length}</KeyCount>`,
    `<IsTruncated>${next !== undefined}</IsTruncated>${more}`,
    ...keys.map((key) => contents(key, shown.files.get(key)?.size ?? 0)),
    ...folders.map((folder) => `<CommonPrefixes><Prefix>${escapeXml(folder)}</Prefix></CommonPrefixes>`),
  ]
  xml(response, 200, `<ListBucketResult>${body.join('')}</ListBucketResult>`)
}

function contents(key: string, size: number): string {
  return `<Contents><Key>${escapeXml(key)}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified><ETag>${escapeXml(ENTITY.etag)}</ETag><Size>${size}</Size></Contents>`
}

function refuse(response: ServerResponse, status: number, code: string): void {
  xml(response, status, `<Error><Code>${code}</Code><Message>${code}</Message></Error>`)
}

function xml(response: ServerResponse, status: number, body: string): void {
  const text = `<?xml version="1.0" encoding="UTF-8"?>${body}`
  response.writeHead(status, { 'content-type': 'application/xml', 'content-length': Buffer.byteLength(text) }).end(text)
}

function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
