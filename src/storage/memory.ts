import type { ObjectInfo, Storage } from './storage.ts'

/** Objects in memory: for tests, and the reference for what the contract suite expects of every other adapter. */
export function memoryStorage(objects = new Map<string, Uint8Array<ArrayBuffer>>()): Storage {
  return {
    location: 'memory:',
    traits: { atomicCreate: true, connections: 4 },

    async get(key, { range } = {}) {
      const object = objects.get(key)
      if (!object) return undefined
      return range ? object.slice(range.offset, range.offset + range.length) : object.slice()
    },

    async put(key, body, { ifAbsent = false } = {}) {
      if (ifAbsent && objects.has(key)) return 'exists'
      objects.set(key, new Uint8Array(body))
      return 'created'
    },

    async head(key) {
      const object = objects.get(key)
      return object && { key, size: object.length }
    },

    async *list(prefix, { after = '' } = {}) {
      const keys = [...objects.keys()].filter((key) => key.startsWith(prefix) && key > after).sort()
      for (const key of keys) yield { key, size: objects.get(key)?.length ?? 0 } satisfies ObjectInfo
    },

    async delete(keys) {
      for (const key of keys) objects.delete(key)
    },
  }
}
