import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { layout } from '../../../src/core/layout.ts'
import { listPacks } from '../../../src/repository/list-packs.ts'
import { memoryStorage } from '../../../src/storage/memory.ts'
import type { Storage } from '../../../src/storage/storage.ts'

const idOf = (n: number): string => createHash('sha256').update(String(n)).digest('hex')

function storageOf(packs: number): { readonly storage: Storage; readonly listed: string[]; readonly keys: string[] } {
  const listed: string[] = []
  const keys = Array.from({ length: packs }, (_, n) => layout.packs.key(idOf(n)))
  const objects = [...keys, layout.meta.key(idOf(0)), 'packs/not-a-pack']
  const storage = memoryStorage(new Map(objects.map((key) => [key, new Uint8Array(3)])))
  const list: Storage['list'] = (prefix, options) => {
    listed.push(prefix)
    return storage.list(prefix, options)
  }
  return { storage: { ...storage, list }, listed, keys: [...keys, layout.meta.key(idOf(0))] }
}

test.each([0, 1, 999, 1000, 1001, 1002, 5000])('every one of %i packs is listed once', async (packs) => {
  const { storage, keys } = storageOf(packs)
  const found = await listPacks({ storage })
  expect([...found.keys()].sort()).toEqual(keys.sort())
  expect([...found.values()].every(({ size }) => size === 3)).toBe(true)
})

test('what one page holds is asked for by one listing, and more by first digits', async () => {
  const few = storageOf(1000)
  await listPacks(few)
  expect(few.listed.sort()).toEqual(['meta/', 'packs/'])
  const many = storageOf(20_000)
  await listPacks(many)
  expect(many.listed).toContain('packs/f')
  expect(many.listed.length).toBeLessThanOrEqual(2 + 16)
})

test('a pack that is stored while the rest is listed is in the list once, or not at all', async () => {
  const { storage, keys } = storageOf(3000)
  const late = layout.packs.key(idOf(3001))
  const list: Storage['list'] = async function* list(prefix, options) {
    if (prefix === 'packs/8') await storage.put(late, new Uint8Array(3))
    yield* storage.list(prefix, options)
  }
  const found = await listPacks({ storage: { ...storage, list } })
  expect([...found.keys()].filter((key) => key !== late).sort()).toEqual(keys.sort())
})
