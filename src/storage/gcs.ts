import { createHash, randomBytes } from 'node:crypto'
import pLimit from 'p-limit'
import { z } from 'zod'
import { gcsError, isBucketMissing } from './gcs-error.ts'
import type { GcsClient } from './gcs-client.ts'
import type { HttpAnswer } from './http-request.ts'
import type { KeyPrefix } from './key-prefix.ts'
import { lengthOfRange, rangeHeader } from './read-body.ts'
import { isWorthAClass } from './storage-class.ts'
import { StorageError } from './storage-error.ts'
import type { CallOptions, ObjectInfo, Storage } from './storage.ts'

export interface GcsOptions {
  readonly send: GcsClient
  readonly location: string
  readonly bucket: string
  readonly keys: KeyPrefix
  readonly put: {
    readonly class?: string | undefined
    /** `projects/…/cryptoKeys/…` */
    readonly kmsKey?: string | undefined
  }
  readonly connections: number
}

const RESOURCE = z.object({ name: z.string(), size: z.coerce.number(), updated: z.coerce.date() })
const LISTING = z.object({
  kind: z.literal('storage#objects'),
  items: z.array(RESOURCE).default([]),
  nextPageToken: z.string().optional(),
})

/** Objects in a bucket of Google Cloud Storage. One request an object, which is atomic: no resumable upload, nothing left behind. */
export function gcsStorage({ send, location, bucket, keys, put, connections }: GcsOptions): Storage {
  const limit = pLimit(connections)
  const objects = `/storage/v1/b/${encodeURIComponent(bucket)}/o`
  const at = (key: string) => `${objects}/${encodeURIComponent(keys.nameOf(key))}`

  /** JSON that is none, or another than was asked for, must not look like an answer. */
  const decode = <T>(schema: z.ZodType<T>, { body }: HttpAnswer, doing: string): T => {
    const parsed = schema.safeParse(tryJson(body))
    if (parsed.success) return parsed.data
    throw new StorageError('broken', `${location} sent something else than was asked for: ${doing}`)
  }

  const head = async (key: string, call: CallOptions = {}): Promise<ObjectInfo | undefined> => {
    const doing = `look at ${key}`
    const query = { fields: 'name,size,updated' }
    const answer = await send({ method: 'GET', path: at(key), query, expect: [200, 404], doing, ...call })
    if (answer.status === 404) return missing(answer, doing)
    return { key, size: decode(RESOURCE, answer, doing).size }
  }

  const missing = (answer: HttpAnswer, doing: string): undefined => {
    if (isBucketMissing(answer)) throw gcsError(answer, doing, location)
  }

  return {
    location,
    traits: { atomicCreate: true, connections, reportsBytes: true },

    get: async (key, { range, ...call } = {}) => {
      if (range?.length === 0) return (await head(key, call)) && new Uint8Array(0)
      const doing = `read ${key}`
      const answer = await send({
        method: 'GET',
        path: at(key),
        query: { alt: 'media' },
        ...(range && { headers: { range: rangeHeader(range) } }),
        expect: [range ? 206 : 200, 404, ...(range ? [416] : [])],
        doing,
        ...call,
      })
      if (answer.status === 404) return missing(answer, doing)
      // A range behind the last byte has no bytes.
      if (answer.status === 416) return new Uint8Array(0)
      if (isWhole(answer)) return answer.body
      throw new StorageError('spoilt', `${key} came from ${location} with other bytes than were stored`)
    },

    put: async (key, body, { ifAbsent, ...call } = {}) => {
      const doing = `write ${key}`
      const resource = {
        name: keys.nameOf(key),
        // Compared by Google with what came, and kept: it comes back with the whole object.
        md5Hash: md5(body),
        ...(put.class !== undefined && isWorthAClass(body) && { storageClass: put.class }),
      }
      const { contentType, pieces } = related(resource, body)
      const answer = await send({
        method: 'POST',
        path: `/upload${objects}`,
        query: {
          uploadType: 'multipart',
          fields: 'name,size,updated',
          kmsKeyName: put.kmsKey,
          ifGenerationMatch: ifAbsent ? '0' : undefined,
        },
        headers: { 'content-type': contentType },
        body: pieces,
        expect: [200, ...(ifAbsent ? [412] : [])],
        doing,
        ...call,
      })
      if (answer.status === 412) return 'exists'
      if (decode(RESOURCE, answer, doing).size === body.length) return 'created'
      throw new StorageError('broken', `${location} did not confirm ${key}`)
    },

    head,

    async *list(prefix, { after, ...call } = {}) {
      const doing = `list ${prefix || 'it'}`
      for (let pageToken: string | undefined, more = true; more; more = pageToken !== undefined) {
        const query = {
          prefix: keys.prefix + prefix,
          fields: 'kind,nextPageToken,items(name,size,updated)',
          startOffset: after === undefined ? undefined : keys.nameOf(after),
          pageToken,
        }
        const answer = await send({ method: 'GET', path: objects, query, expect: [200], doing, ...call })
        const page = decode(LISTING, answer, doing)
        for (const { name, size, updated } of page.items) {
          const key = keys.keyOf(name)
          if (key !== after) yield { key, size, modified: updated }
        }
        pageToken = page.nextPageToken
      }
    },

    delete: async (names, call = {}) => {
      await limit.map(names, async (key) => {
        const doing = `delete ${key}`
        const answer = await send({ method: 'DELETE', path: at(key), expect: [204, 404], doing, ...call })
        if (answer.status === 404) missing(answer, doing)
      })
    },
  }
}

/** An object and what is said of it, as one request. */
function related(resource: unknown, body: Uint8Array) {
  const boundary = `permafrost-${randomBytes(16).toString('hex')}`
  const head = `--${boundary}\r\ncontent-type: application/json; charset=UTF-8\r\n\r\n${JSON.stringify(resource)}\r\n`
  const between = `--${boundary}\r\ncontent-type: application/octet-stream\r\n\r\n`
  return {
    contentType: `multipart/related; boundary=${boundary}`,
    pieces: [Buffer.from(head + between), body, Buffer.from(`\r\n--${boundary}--\r\n`)],
  }
}

/** Whether the bytes are all that they should be, as far as the answer says it: a hash of the whole, the length of a range. */
function isWhole({ status, headers, body }: HttpAnswer): boolean {
  if (status === 206) return lengthOfRange(String(headers['content-range'])) === body.length
  const hash = /(?:^|,)\s*md5=([^,]+)/.exec([headers['x-goog-hash']].flat().join(','))?.[1]
  // An answer without a generation is an error in the clothes of an object.
  return headers['x-goog-generation'] !== undefined && (hash === undefined || hash === md5(body))
}

function md5(bytes: Uint8Array): string {
  return createHash('md5').update(bytes).digest('base64')
}

function tryJson(body: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(body).toString())
  } catch {
    return undefined
  }
}
