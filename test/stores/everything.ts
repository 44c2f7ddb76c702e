import { randomBytes } from 'node:crypto'
import { expect } from 'vitest'
import { withLayers } from '../../src/storage/layers.ts'
import type { Storage } from '../../src/storage/storage.ts'
import { keysOf } from '../helpers/workbench.ts'

export const pack = randomBytes(3_000_000)
export const record = randomBytes(2000)

/** A store as a command opens it, but without waiting between attempts, and soon tired of silence. */
export function patient(storage: Storage, silence = 1): Storage {
  return withLayers(storage, {
    limits: { silence, patience: 60 },
    clock: () => new Date(),
    random: (size) => new Uint8Array(size),
  })
}

/** Everything that a repository asks of a store goes right. */
export async function everythingWorks(storage: Storage): Promise<void> {
  expect(await storage.put('packs/aa/one', pack, { ifAbsent: true })).toBe('created')
  expect(await storage.put('backups/one', record, { ifAbsent: true })).toBe('created')
  expect(await storage.put('backups/one', pack, { ifAbsent: true })).toBe('exists')
  expect(Buffer.compare((await storage.get('packs/aa/one')) ?? record, pack)).toBe(0)
  const range = { offset: 1_000_000, length: 500_000 }
  const part = (await storage.get('packs/aa/one', { range })) ?? record
  expect(Buffer.compare(part, pack.subarray(1_000_000, 1_500_000))).toBe(0)
  expect(Buffer.compare((await storage.get('backups/one')) ?? pack, record)).toBe(0)
  expect(await keysOf(storage, 'packs/')).toEqual(['packs/aa/one'])
  expect(await keysOf(storage, 'backups/')).toEqual(['backups/one'])
  await storage.delete(['packs/aa/one', 'backups/one'])
  expect(await keysOf(storage, 'packs/')).toEqual([])
  expect(await keysOf(storage, 'backups/')).toEqual([])
}
