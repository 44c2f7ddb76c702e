import { createHash, createVerify, generateKeyPairSync } from 'node:crypto'
import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { readFileSync } from 'node:fs'
import { buffer } from 'node:stream/consumers'
import type { Certificate } from './certificate.ts'

/**
 * The part of Google's JSON API that stores need, in memory, by its documentation:
 * https://cloud.google.com/storage/docs/json_api/v1 (objects: insert, get, list, delete; uploads; preconditions) and
 * https://google.aip.dev/auth/4111 (tokens that a service account signs itself).
 */
export interface Gcs extends AsyncDisposable {
  readonly port: number
  readonly endpoint: string
  /** The JSON of a service account's key: `writer` may do everything in the bucket `backups`, `reader` may only read. */
  account(name: 'reader' | 'writer'): string
  /** What is stored, by name. */
  readonly objects: ReadonlyMap<string, GcsObject>
}

export interface GcsObject {
  readonly data: Buffer
  readonly resource: Readonly<Record<string, string>>
  readonly kmsKeyName: string | undefined
}

const BUCKET = 'backups'
/** Items of a page. The real one has up to 1,000. */
const PAGE = 500

class Refusal extends Error {
  readonly status: number
  readonly reason: string
  constructor(status: number, reason: string, message: string) {
    super(message)
    this.status = status
    this.reason = reason
  }
}

export interface GcsOptions {
  /** Over TLS with this certificate. */
  readonly certificate?: Certificate
  /** What time it is there. */
  readonly clock?: () => number
}

export async function startGcs({ certificate, clock = Date.now }: GcsOptions = {}): Promise<Gcs> {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const objects = new Map<string, GcsObject>()
  let generation = 0

  /** Who asks: the token must be one that the service account has signed, for this scope and for now. */
  const identify = ({ headers }: IncomingMessage): string => {
    const [head = '', claims = '', signature = ''] = (headers.authorization ?? '').replace(/^Bearer /, '').split('.')
    const signed = createVerify('RSA-SHA256').update(`${head}.${claims}`)
    const refusal = new Refusal(401, 'authError', 'Invalid Credentials')
    if (!signed.verify(publicKey, signature, 'base64url')) throw refusal
    const { iss, exp, scope } = JSON.parse(Buffer.from(claims, 'base64url').toString()) as Record<string, string>
    if (Number(exp) * 1000 < clock() || !scope?.endsWith('/devstorage.read_write')) throw refusal
    return iss ?? ''
  }

  const insert = async (request: IncomingMessage, query: URLSearchParams): Promise<GcsObject['resource']> => {
    const body = await buffer(request)
    const [, boundary = ''] = /^multipart\/related; boundary=(\S+)$/.exec(request.headers['content-type'] ?? '') ?? []
    const { metadata, data } = partsOf(body, boundary)
    const name = metadata['name'] ?? ''
    const current = objects.get(name)?.resource['generation'] ?? '0'
    const asked = query.get('ifGenerationMatch')
    if (asked !== null && asked !== current)
      throw new Refusal(412, 'conditionNotMet', 'At least one of the pre-conditions you specified did not hold.')
    const md5Hash = createHash('md5').update(data).digest('base64')
    if (metadata['md5Hash'] !== undefined && metadata['md5Hash'] !== md5Hash)
      throw new Refusal(400, 'invalid', `Provided MD5 hash "${metadata['md5Hash']}" doesn't match calculated MD5 hash`)
    const own = {
      size: String(data.length),
      md5Hash,
      generation: String(++generation),
      updated: new Date(clock()).toISOString(),
    }
    const resource = { kind: 'storage#object', storageClass: 'STANDARD', ...metadata, name, ...own }
    objects.set(name, { data, resource, kmsKeyName: query.get('kmsKeyName') ?? undefined })
    return resource
  }

  const list = (query: URLSearchParams): unknown => {
    const from = query.get('pageToken') ?? query.get('startOffset') ?? ''
    const names = [...objects.keys()]
      .filter((name) => name.startsWith(query.get('prefix') ?? '') && name >= from)
      .toSorted((a, b) => (a < b ? -1 : 1))
    const items = names.slice(0, PAGE).map((name) => objects.get(name)?.resource)
    const next = names[PAGE]
    return {
      kind: 'storage#objects',
      ...(next !== undefined && { nextPageToken: next }),
      ...(items.length > 0 && { items }),
    }
  }

  const media = ({ data, resource }: GcsObject, { headers }: IncomingMessage, response: ServerResponse): void => {
    const [, first = '0', last = ''] = /^bytes=(\d+)-(\d*)$/.exec(headers.range ?? '') ?? []
    const end = Math.min(last === '' ? data.length : Number(last) + 1, data.length)
    if (headers.range !== undefined && Number(first) >= data.length)
      throw new Refusal(416, 'requestedRangeNotSatisfiable', 'Request range not satisfiable')
    const bytes = data.subarray(Number(first), end)
    response.writeHead(headers.range === undefined ? 200 : 206, {
      'content-length': bytes.length,
      'x-goog-stored-content-length': data.length,
      'x-goog-generation': resource['generation'],
      'x-goog-hash': `md5=${resource['md5Hash']}`,
      ...(headers.range !== undefined && { 'content-range': `bytes ${first}-${end - 1}/${data.length}` }),
    })
    response.end(bytes)
  }

  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { pathname, searchParams: query } = new URL(request.url ?? '', 'http://gcs')
    const { method = '' } = request
    const who = identify(request)
    const [, upload, bucket = '', name] = /^(\/upload)?\/storage\/v1\/b\/([^/]+)\/o(?:\/([^/]+))?$/.exec(pathname) ?? []
    if (bucket !== BUCKET) throw new Refusal(404, 'notFound', 'The specified bucket does not exist.')
    if (method !== 'GET' && who.startsWith('reader'))
      throw new Refusal(403, 'forbidden', `${who} does not have permission to access the Google Cloud Storage object.`)
    if (upload !== undefined) return json(response, 200, await insert(request, query))
    if (name === undefined) return json(response, 200, list(query))
    const key = decodeURIComponent(name)
    const found = objects.get(key)
    if (!found) throw new Refusal(404, 'notFound', `No such object: ${bucket}/${key}`)
    if (method === 'DELETE') {
      objects.delete(key)
      response.writeHead(204).end()
    } else if (query.get('alt') === 'media') media(found, request, response)
    else json(response, 200, found.resource)
  }

  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    serve(request, response).catch((error: unknown) => {
      if (!(error instanceof Refusal)) {
        response.destroy()
        return
      }
      request.resume()
      const { status: code, reason, message } = error
      json(response, code, { error: { code, message, errors: [{ domain: 'global', reason, message }] } })
    })
  }
  const server = certificate
    ? createSecureServer({ cert: certificate.certificate, key: readFileSync(certificate.keyFile) }, answer)
    : createServer(answer)
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const { port } = server.address() as AddressInfo
  return {
    port,
    endpoint: `${certificate ? 'https' : 'http'}://127.0.0.1:${port}`,
    objects,
    account: (name) =>
      JSON.stringify({
        type: 'service_account',
        project_id: 'permafrost',
        private_key_id: 'one',
        private_key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
        client_email: `${name}@permafrost.iam.gserviceaccount.com`,
      }),
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      await new Promise((done) => server.close(done))
    },
  }
}

function json(response: ServerResponse, status: number, value: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json; charset=UTF-8' }).end(JSON.stringify(value))
}

/** A resource and its bytes, of `multipart/related`. */
function partsOf(body: Buffer, boundary: string) {
  const line = `--${boundary}\r\n`
  const end = body.lastIndexOf(`\r\n--${boundary}--`)
  const second = body.indexOf(`\r\n${line}`, line.length)
  if (boundary === '' || !body.subarray(0, line.length).equals(Buffer.from(line)) || second < 0 || end < second)
    throw new Refusal(400, 'badContent', 'Malformed multipart body.')
  const start = body.indexOf('\r\n\r\n') + 4
  const metadata = JSON.parse(body.subarray(start, second).toString()) as Record<string, string>
  return { metadata, data: body.subarray(body.indexOf('\r\n\r\n', second + line.length) + 4, end) }
}
