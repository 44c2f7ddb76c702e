import { PermafrostError } from '../core/errors.ts'
import { rclone } from './rclone-process.ts'
import type { Rclone } from './rclone-process.ts'
import { rangeHeader } from './read-body.ts'
import { isKey } from './storage.ts'
import type { ObjectInfo, Storage } from './storage.ts'
import { StorageError } from './storage-error.ts'

const CONNECTIONS = 8

/**
 * Objects in any of rclone's remotes. Whether an object appears whole or grows under its name depends on the remote, and so
 * its size is compared after every write.
 *
 * @param remote `name:path`, where the name is one of rclone's configuration
 */
export function rcloneStorage(remote: string): Storage {
  const location = `rclone:${remote}`
  const child = rclone(remote)

  return {
    location,
    traits: { atomicCreate: false, connections: CONNECTIONS, reportsBytes: true },

    get: async (key, { range, signal, onBytes } = {}) => {
      if (range?.length === 0) return (await sizeOf(child, key, signal)) === undefined ? undefined : new Uint8Array(0)
      const bytes = range && rangeHeader(range)
      const answer = await child.send({ method: 'GET', key: checked(key), range: bytes, signal, onBytes })
      return answer?.status === 416 ? new Uint8Array(0) : answer?.body
    },

    put: async (key, body, { ifAbsent = false, signal, onBytes } = {}) => {
      if (ifAbsent && (await sizeOf(child, key, signal)) !== undefined) return 'exists'
      await child.send({ method: 'POST', key: checked(key), body, signal, onBytes })
      const stored = await sizeOf(child, key, signal)
      if (stored === body.length) return 'created'
      throw new StorageError('broken', `${location} kept ${stored ?? 0} of ${body.length} bytes of ${key}`)
    },

    head: async (key, { signal } = {}) => {
      const size = await sizeOf(child, key, signal)
      return size === undefined ? undefined : { key, size }
    },

    async *list(prefix, { signal } = {}) {
      const directory = prefix.slice(0, prefix.lastIndexOf('/') + 1)
      const output = await child.list(directory, { signal })
      for (const { Path, Size, ModTime } of parse(output ?? '[]', location)) {
        const key = directory + Path
        if (key.startsWith(prefix) && isKey(key))
          yield { key, size: Size, modified: new Date(ModTime) } satisfies ObjectInfo
      }
    },

    delete: async (keys, { signal } = {}) => {
      for (const key of keys) await child.send({ method: 'DELETE', key: checked(key), signal })
    },
  }
}

interface Listed {
  readonly Path: string
  readonly Size: number
  readonly ModTime: string
}

function parse(output: string, location: string): readonly Listed[] {
  try {
    return (JSON.parse(output) as Listed[]).sort((a, b) => (a.Path < b.Path ? -1 : 1))
  } catch (error) {
    throw new StorageError('broken', `${location} gave a list that is not whole`, { cause: error })
  }
}

async function sizeOf(child: Rclone, key: string, signal: AbortSignal | undefined): Promise<number | undefined> {
  return (await child.send({ method: 'HEAD', key: checked(key), signal }))?.size
}

function checked(key: string): string {
  if (!isKey(key)) throw new PermafrostError('INTERNAL', `${JSON.stringify(key)} is not a key`)
  return key
}
