import { PermafrostError } from '../core/errors.ts'
import type { HttpAnswer } from './http-request.ts'
import { rangeHeader } from './read-body.ts'
import { isKey } from './storage.ts'
import type { CallOptions, ObjectInfo, Range, Storage } from './storage.ts'
import { StorageError } from './storage-error.ts'
import { temporaryKey } from './temporary.ts'
import { walk } from './walk.ts'
import { webdavClient } from './webdav-client.ts'
import type { WebdavOptions } from './webdav-client.ts'
import { PROPFIND, readMultistatus } from './webdav-multistatus.ts'
import type { WebdavEntry } from './webdav-multistatus.ts'

const CONNECTIONS = 8

/**
 * Objects as files of a WebDAV server. A write is: PUT to a temporary name → its size compared → MOVE to its own name without
 * overwriting. Some servers let several MOVEs at once win (Apache), so that the store is not trusted to decide a race.
 */
export function webdavStorage(options: WebdavOptions): Storage {
  const client = webdavClient(options, CONNECTIONS)
  const made = new Set<string>()

  const urlOf = (key: string): string => {
    if (!isKey(key)) throw new PermafrostError('INTERNAL', `${JSON.stringify(key)} is not a key`)
    return client.urlOf(key)
  }

  /** What is at a URL and, with depth 1, in it; nothing when there is nothing. */
  const look = async (url: string, depth: '0' | '1', call: CallOptions): Promise<readonly WebdavEntry[]> => {
    const headers = { depth, 'content-type': 'application/xml' }
    const doing = `look at ${new URL(url).pathname}`
    const asked = { method: 'PROPFIND', url, headers, body: Buffer.from(PROPFIND), expect: [207, 404], doing, ...call }
    const { status, body } = await client.send(asked)
    return status === 404 ? [] : readMultistatus(Buffer.from(body).toString(), url)
  }

  // Not HEAD: Apache tells no size of an empty file in it, and others that of a compressed one.
  const head = async (key: string, call: CallOptions): Promise<ObjectInfo | undefined> => {
    const [found] = await look(urlOf(key), '0', call)
    return found && !found.directory ? { key, size: found.size } : undefined
  }

  const makeParent = async (file: string, call: CallOptions): Promise<void> => {
    const url = file.replace(/\/[^/]*\/?$/, '/')
    if (made.has(url) || new URL(url).pathname === '/') return
    const doing = `make ${new URL(url).pathname}`
    const make = (expect: readonly number[]) => client.send({ method: 'MKCOL', url, expect, doing, ...call })
    try {
      // 405: it is there. 409: the one above it is not.
      const { status } = await make([200, 201, 204, 301, 405, 409])
      if (status === 409) {
        await makeParent(url, call)
        await make([200, 201, 204, 301, 405])
      }
    } catch (error) {
      // Apache says 403 when another writer was faster.
      if ((await look(url, '0', call)).length === 0) throw error
    }
    made.add(url)
  }

  const remove = async (key: string, call: CallOptions): Promise<void> => {
    const expect = [200, 202, 204, 404]
    await client.send({ method: 'DELETE', url: urlOf(key), expect, doing: `delete ${key}`, ...call })
  }

  return {
    location: client.location,
    traits: { atomicCreate: false, connections: CONNECTIONS, reportsBytes: true },

    get: async (key, { range, signal, onBytes } = {}) => {
      if (range?.length === 0) return (await head(key, { signal })) && new Uint8Array(0)
      const headers: Record<string, string> = range ? { range: rangeHeader(range) } : {}
      const asked = { method: 'GET', url: urlOf(key), headers, expect: [200, 206, 404, 416], signal, onBytes }
      return contentOf(await client.send({ ...asked, doing: `read ${key}` }), range)
    },

    put: async (key, body, { ifAbsent = false, signal, onBytes } = {}) => {
      const [temporary, doing] = [temporaryKey(), `write ${key}`]
      try {
        for (const url of [client.urlOf(temporary), urlOf(key)]) await makeParent(url, { signal })
        const upload = { method: 'PUT', url: client.urlOf(temporary), body, expect: [200, 201, 204], doing }
        await client.send({ ...upload, signal, onBytes })
        const stored = await head(temporary, { signal })
        if (stored?.size !== body.length)
          throw new StorageError(
            'broken',
            `${client.location} kept ${stored?.size ?? 0} of ${body.length} bytes of ${key}`,
          )
        const headers = { destination: urlOf(key), overwrite: ifAbsent ? 'F' : 'T' }
        const asked = {
          method: 'MOVE',
          url: client.urlOf(temporary),
          headers,
          expect: [200, 201, 204, 412],
          doing,
          signal,
        }
        if ((await client.send(asked)).status !== 412) return 'created'
        await remove(temporary, { signal })
        return 'exists'
      } catch (error) {
        // Collections that somebody removed are made again next time.
        made.clear()
        if (!signal?.aborted) await remove(temporary, { signal }).catch(() => undefined)
        throw error
      }
    },

    head: (key, { signal } = {}) => head(key, { signal }),

    async *list(prefix, { signal } = {}) {
      const read = async (directory: string) => {
        const entries = await look(client.urlOf(directory), '1', { signal })
        return entries.filter(({ self, name }) => !self && !name.startsWith('.'))
      }
      for await (const { key, entry } of walk(prefix, read)) {
        const { size, modified } = entry
        yield { key, size, ...(modified && { modified }) } satisfies ObjectInfo
      }
    },

    delete: async (keys, { signal } = {}) => {
      await Promise.all(keys.map((key) => remove(key, { signal })))
    },
  }
}

function contentOf({ status, body }: HttpAnswer, range: Range | undefined): Uint8Array<ArrayBuffer> | undefined {
  if (status === 404) return undefined
  if (status === 416) return new Uint8Array(0)
  // A server may send the whole instead of the range.
  return range && status === 200 ? body.slice(range.offset, range.offset + range.length) : body
}
