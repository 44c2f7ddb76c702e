import type { BlockBlobUploadOptions, ContainerClient } from '@azure/storage-blob'
import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import pLimit from 'p-limit'
import { azureError, isAzureCode } from './azure-error.ts'
import type { KeyPrefix } from './key-prefix.ts'
import { inSlices, lengthOfRange, readBody } from './read-body.ts'
import { isWorthAClass } from './storage-class.ts'
import { StorageError } from './storage-error.ts'
import { TO_THE_END } from './storage.ts'
import type { CallOptions, ObjectInfo, Storage } from './storage.ts'

export interface AzureOptions {
  readonly container: ContainerClient
  readonly location: string
  readonly keys: KeyPrefix
  readonly put: {
    readonly tier?: string | undefined
    readonly encryptionScope?: string | undefined
  }
  readonly connections: number
}

/** Block blobs in a container of Azure. One Put Blob an object, which is atomic: no blocks, nothing left behind. */
export function azureStorage({ container, location, keys, put, connections }: AzureOptions): Storage {
  const limit = pLimit(connections)
  const blob = (key: string) => container.getBlockBlobClient(keys.nameOf(key))

  const tell = async <T>(doing: string, { signal }: CallOptions, work: () => Promise<T>): Promise<T> => {
    try {
      return await work()
    } catch (error) {
      signal?.throwIfAborted()
      throw azureError(error, doing, location)
    }
  }

  const head: Storage['head'] = (key, call = {}) =>
    tell(`look at ${key}`, call, async () => {
      const found = await blob(key).getProperties(abortable(call)).catch(ignoreMissing)
      return found && { key, size: found.contentLength ?? 0 }
    })

  return {
    location,
    traits: { atomicCreate: true, connections, reportsBytes: true },

    get: (key, { range, ...call } = {}) =>
      tell(`read ${key}`, call, async () => {
        if (range?.length === 0) return (await head(key, call)) && new Uint8Array(0)
        const { offset, length } = range ?? {}
        const found = await blob(key).download(offset, bounded(length), abortable(call)).catch(missingOrBehindTheEnd)
        if (!found || found instanceof Uint8Array) return found
        const { readableStreamBody: body, contentLength, contentRange, contentMD5, etag } = found
        if (!body || etag === undefined) throw new StorageError('broken', `${location} sent something else than ${key}`)
        const expected = lengthOfRange(contentRange) ?? contentLength
        const bytes = await readBody(body as AsyncIterable<Uint8Array>, { ...call, expected, doing: `read ${key}` })
        if (contentRange === undefined && isOther(bytes, contentMD5))
          throw new StorageError('spoilt', `${key} came from ${location} with other bytes than were stored`)
        return bytes
      }),

    put: (key, body, { ifAbsent, onBytes, ...call } = {}) =>
      tell(`write ${key}`, call, async () => {
        const options: BlockBlobUploadOptions = {
          ...abortable(call),
          // Compared by Azure with what came, and kept: it comes back with the whole object.
          transactionalContentMD5: md5(body),
          ...(put.encryptionScope !== undefined && { encryptionScope: put.encryptionScope }),
          ...(put.tier !== undefined && isWorthAClass(body) && { tier: put.tier }),
          ...(ifAbsent && { conditions: { ifNoneMatch: '*' } }),
        }
        const content = onBytes && body.length > 0 ? () => Readable.from(inSlices(body, onBytes)) : body
        try {
          const { etag } = await blob(key).upload(content, body.length, options)
          if (etag === undefined) throw new StorageError('broken', `${location} did not confirm ${key}`)
          return 'created'
        } catch (error) {
          if (isAzureCode(error, 'BlobAlreadyExists', 'ConditionNotMet')) return 'exists'
          throw error
        }
      }),

    head,

    async *list(prefix, { after, ...call } = {}) {
      const doing = `list ${prefix || 'it'}`
      const pages = container.listBlobsFlat({ ...abortable(call), prefix: keys.prefix + prefix }).byPage()
      for (;;) {
        const page = await tell(doing, call, () => pages.next())
        if (page.done) return
        for (const { name, properties } of page.value.segment.blobItems) {
          const key = keys.keyOf(name)
          if (after !== undefined && key <= after) continue
          yield { key, size: properties.contentLength ?? 0, modified: properties.lastModified } satisfies ObjectInfo
        }
      }
    },

    delete: async (names, call = {}) => {
      await limit.map(names, (key) =>
        tell(`delete ${key}`, call, () => blob(key).delete(abortable(call)).catch(ignoreMissing)),
      )
    },
  }
}

function abortable({ signal }: CallOptions) {
  return signal ? { abortSignal: signal } : {}
}

/** To the end is no length for the SDK. */
function bounded(length: number | undefined): number | undefined {
  return length === TO_THE_END ? undefined : length
}

/** Whether they are not those of the hash, where there is one. */
function isOther(bytes: Uint8Array, hash: Uint8Array | undefined): boolean {
  return hash !== undefined && !md5(bytes).equals(hash)
}

function md5(bytes: Uint8Array): Buffer {
  return createHash('md5').update(bytes).digest()
}

function ignoreMissing(error: unknown): undefined {
  if (!isAzureCode(error, 'BlobNotFound')) throw error
}

/** A range behind the last byte has no bytes. */
function missingOrBehindTheEnd(error: unknown): Uint8Array<ArrayBuffer> | undefined {
  return isAzureCode(error, 'InvalidRange') ? new Uint8Array(0) : ignoreMissing(error)
}
