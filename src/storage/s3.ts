import {
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  PutObjectRetentionCommand,
} from '@aws-sdk/client-s3'
import type { PutObjectCommandInput, S3Client } from '@aws-sdk/client-s3'
import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import type { KeyPrefix } from './key-prefix.ts'
import { isWorthAClass } from './storage-class.ts'
import { lengthOfRange, rangeHeader, readBody } from './read-body.ts'
import { reportUpload, signWith } from './s3-client.ts'
import { s3Error } from './s3-error.ts'
import type { S3Caller } from './s3-error.ts'
import type { CallOptions, ObjectInfo, PutOptions, Storage } from './storage.ts'
import { StorageError } from './storage-error.ts'

/** The parameters of S3 for what is stored, in its own spelling. */
export type S3PutOptions = Pick<
  PutObjectCommandInput,
  'ObjectLockLegalHoldStatus' | 'ObjectLockMode' | 'SSEKMSKeyId' | 'ServerSideEncryption' | 'StorageClass' | 'Tagging'
> & {
  /** Milliseconds that each object is locked for. */
  readonly retain?: number | undefined
}

export interface S3Options extends S3Caller {
  readonly client: S3Client
  readonly bucket: string
  readonly keys: KeyPrefix
  readonly put: S3PutOptions
  /** For every request that touches an object: SSE-C. */
  readonly customerKey?: { readonly SSECustomerAlgorithm: 'AES256'; readonly SSECustomerKey: string } | undefined
  readonly payer?: { readonly RequestPayer: 'requester' } | undefined
  /** Whether the store decides create-only puts; when it says that it does not know them, a look comes first from then on. */
  readonly conditional: boolean
  readonly connections: number
  readonly clock: () => Date
}

/** Keys that one DeleteObjects takes. */
const BATCH = 1000
/** Metadata of ours: what the bytes must be when they come back whole. */
const CRC = 'crc32'

/** Objects in a bucket of S3 or of a store that speaks it. One PUT an object, which is atomic: no multipart, nothing left behind. */
export function s3Storage(options: S3Options): Storage {
  const { client, location, bucket, keys, customerKey, payer } = options
  let conditional = options.conditional
  let batches = true
  const { retain, ObjectLockMode } = options.put
  const at = (key: string) => ({ Bucket: bucket, Key: keys.nameOf(key), ...payer })

  const tell = async <T>(doing: string, { signal }: CallOptions, work: () => Promise<T>): Promise<T> => {
    try {
      return await work()
    } catch (error) {
      signal?.throwIfAborted()
      throw s3Error(error, doing, options)
    }
  }

  const head: Storage['head'] = (key, call = {}) =>
    tell(`look at ${key}`, call, async () => {
      const command = new HeadObjectCommand({ ...at(key), ...customerKey })
      const found = await client.send(command, abortable(call)).catch(ignoreMissing)
      return found && { key, size: found.ContentLength ?? 0 }
    })

  const put = (key: string, body: Uint8Array, call: PutOptions): Promise<'created' | 'exists'> =>
    tell(`write ${key}`, call, async () => {
      const command = new PutObjectCommand({
        ...at(key),
        ...customerKey,
        ...putOptions(options, body),
        Body: body,
        // A pack comes back in ranges, and each of its frames is checked.
        ...(call.sha256 === undefined && { Metadata: { [CRC]: crcOf(body) } }),
        ...(call.ifAbsent && { IfNoneMatch: '*' }),
      })
      if (call.sha256 !== undefined) signWith(command, call.sha256)
      if (call.onBytes) reportUpload(command, call.onBytes)
      try {
        const { ETag } = await client.send(command, abortable(call))
        // A success without one is an error in the clothes of a success.
        if (ETag === undefined) throw new StorageError('broken', `${location} did not confirm ${key}`)
        return 'created'
      } catch (error) {
        if (isCode(error, 'PreconditionFailed')) return 'exists'
        throw error
      }
    })

  const deleteOne = (key: string, call: CallOptions): Promise<void> =>
    tell(`delete ${key}`, call, async () => {
      const { $metadata } = await client.send(new DeleteObjectCommand(at(key)), abortable(call))
      if ($metadata.httpStatusCode !== 204)
        throw new StorageError('broken', `${location} did not confirm that it deleted ${key}`)
    })

  const deleteBatch = (batch: readonly string[], call: CallOptions): Promise<void> =>
    tell(`delete ${batch.length} objects`, call, async () => {
      const Objects = batch.map((key) => ({ Key: keys.nameOf(key) }))
      const command = new DeleteObjectsCommand({ Bucket: bucket, Delete: { Objects }, ...payer })
      const { Deleted = [], Errors = [] } = await client.send(command, abortable(call))
      const refused = Errors.find(({ Code }) => Code !== 'NoSuchKey')
      if (refused) throw Object.assign(new Error(refused.Message), { name: refused.Code, $metadata: {} })
      if (Deleted.length + Errors.length < batch.length)
        throw new StorageError('broken', `${location} did not confirm what it deleted`)
    })

  return {
    location,
    traits: {
      get atomicCreate() {
        return conditional
      },
      connections: options.connections,
      reportsBytes: true,
    },

    get: (key, { range, ...call } = {}) =>
      tell(`read ${key}`, call, async () => {
        if (range?.length === 0) return (await head(key, call)) && new Uint8Array(0)
        const command = new GetObjectCommand({
          ...at(key),
          ...customerKey,
          ...(range && { Range: rangeHeader(range) }),
        })
        const found = await client.send(command, abortable(call)).catch(missingOrBehindTheEnd)
        if (!found || found instanceof Uint8Array) return found
        const { Body, ContentLength, ContentRange, ETag, Metadata } = found
        if (!Body || ETag === undefined) throw new StorageError('broken', `${location} sent something else than ${key}`)
        const expected = lengthOfRange(ContentRange) ?? ContentLength
        const bytes = await readBody(Body as AsyncIterable<Uint8Array>, { ...call, expected, doing: `read ${key}` })
        const crc = Metadata?.[CRC]
        if (ContentRange === undefined && crc !== undefined && crc !== crcOf(bytes))
          throw new StorageError('spoilt', `${key} came from ${location} with other bytes than were stored`)
        return bytes
      }),

    put: async (key, body, { ifAbsent = false, ...call } = {}) => {
      if (!ifAbsent) return put(key, body, call)
      if (conditional) {
        try {
          return await put(key, body, { ...call, ifAbsent: true })
        } catch (error) {
          if (!isNotImplemented(error)) throw error
          conditional = false
        }
      }
      return (await head(key, call)) ? 'exists' : put(key, body, call)
    },

    head,

    async *list(prefix, { after, ...call } = {}) {
      const doing = `list ${prefix || 'it'}`
      for (let token: string | undefined, more = true; more;) {
        const page = await tell(doing, call, () => {
          const command = new ListObjectsV2Command({
            Bucket: bucket,
            Prefix: keys.prefix + prefix,
            ...payer,
            ...(token !== undefined && { ContinuationToken: token }),
            ...(after !== undefined && token === undefined && { StartAfter: keys.nameOf(after) }),
          })
          return client.send(command, abortable(call))
        })
        // An answer that is no listing must not look like an empty one.
        if (page.IsTruncated === undefined)
          throw new StorageError('broken', `${location} answered something else than a listing`)
        for (const { Key = '', Size = 0, LastModified } of page.Contents ?? [])
          yield {
            key: keys.keyOf(Key),
            size: Size,
            ...(LastModified && { modified: LastModified }),
          } satisfies ObjectInfo
        token = page.NextContinuationToken
        more = page.IsTruncated
      }
    },

    delete: async (names, call = {}) => {
      for (let start = 0; start < names.length;) {
        const batch = names.slice(start, start + (batches ? BATCH : options.connections))
        try {
          if (batches && batch.length > 1) await deleteBatch(batch, call)
          else await Promise.all(batch.map((key) => deleteOne(key, call)))
          start += batch.length
        } catch (error) {
          if (!batches || !isWithoutBatches(error)) throw error
          batches = false
        }
      }
    },

    ...(retain !== undefined && {
      extendLock: (key, call = {}) =>
        tell(`lock ${key}`, call, async () => {
          const found = await client
            .send(new HeadObjectCommand({ ...at(key), ...customerKey }), abortable(call))
            .catch(ignoreMissing)
          const now = options.clock().getTime()
          const left = (found?.ObjectLockRetainUntilDate?.getTime() ?? now) - now
          if (!found || left >= retain / 2) return
          const Retention = { Mode: ObjectLockMode, RetainUntilDate: new Date(now + retain) }
          await client.send(new PutObjectRetentionCommand({ ...at(key), Retention }), abortable(call))
        }),
    }),
  }
}

function putOptions({ put, clock }: S3Options, body: Uint8Array): Partial<PutObjectCommandInput> {
  const { retain, StorageClass, ...rest } = put
  const locked = retain !== undefined || rest.ObjectLockLegalHoldStatus !== undefined
  return {
    ...rest,
    ...(StorageClass !== undefined && isWorthAClass(body) && { StorageClass }),
    ...(retain !== undefined && { ObjectLockRetainUntilDate: new Date(clock().getTime() + retain) }),
    // Asked for by S3 with every lock.
    ...(locked && { ContentMD5: createHash('md5').update(body).digest('base64') }),
  }
}

function abortable({ signal }: CallOptions) {
  return signal ? { abortSignal: signal } : {}
}

function crcOf(bytes: Uint8Array): string {
  return crc32(bytes).toString(16)
}

function isCode(error: unknown, ...names: readonly string[]): error is Error {
  return error instanceof Error && names.includes(error.name)
}

/** Swift, and others: they do not know If-None-Match, or DeleteObjects. */
function isNotImplemented(error: unknown): boolean {
  return error instanceof StorageError && isCode(error.cause, 'NotImplemented')
}

/** A store without DeleteObjects; and Ceph, which asks for the permission on the whole bucket then, when a policy gives it for a prefix. */
function isWithoutBatches(error: unknown): boolean {
  return error instanceof StorageError && (error.failure === 'forbidden' || isNotImplemented(error))
}

function ignoreMissing(error: unknown): undefined {
  if (!isCode(error, 'NoSuchKey', 'NotFound')) throw error
}

/** A range behind the last byte has no bytes. */
function missingOrBehindTheEnd(error: unknown): Uint8Array<ArrayBuffer> | undefined {
  return isCode(error, 'InvalidRange') ? new Uint8Array(0) : ignoreMissing(error)
}
