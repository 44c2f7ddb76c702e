import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { examineStorage } from '../../src/storage/examine.ts'
import type { Storage } from '../../src/storage/storage.ts'
import { keysOf } from '../helpers/workbench.ts'

const bytes = (text: string): Uint8Array => Buffer.from(text)

/**
 * What every storage promises; each adapter is run through the same list.
 *
 * @param open a storage with nothing in it
 * @param options `many`: objects of a long list · `grows`: a reader may see an object that is not whole yet
 */
export function storageContract(name: string, open: () => Promise<Storage>, { many = 1200, grows = false } = {}): void {
  describe(`the storage ${name}`, () => {
    it('gives back what was put, whole and in ranges', async () => {
      const storage = await open()
      await storage.put('packs/ab/one', bytes('0123456789'))
      expect(Buffer.from((await storage.get('packs/ab/one')) ?? []).toString()).toBe('0123456789')
      const range = async (offset: number, length: number) =>
        Buffer.from((await storage.get('packs/ab/one', { range: { offset, length } })) ?? []).toString()
      expect(await range(0, 4)).toBe('0123')
      expect(await range(3, 4)).toBe('3456')
      expect(await range(8, 100)).toBe('89')
      expect(await range(10, 5)).toBe('')
    })

    it('gives memory of its own: what is done to it reaches nobody', async () => {
      const storage = await open()
      const body = bytes('before')
      await storage.put('a', body)
      body.fill(0)
      const got = await storage.get('a')
      got?.fill(0)
      expect(Buffer.from((await storage.get('a')) ?? []).toString()).toBe('before')
      expect(got?.byteOffset).toBe(0)
      expect(got?.buffer.byteLength).toBe(6)
    })

    it('says that an object is not there by a value, not by an error', async () => {
      const storage = await open()
      expect(await storage.get('nothing')).toBeUndefined()
      expect(await storage.get('nothing', { range: { offset: 0, length: 1 } })).toBeUndefined()
      expect(await storage.head('nothing')).toBeUndefined()
      expect(await keysOf(storage, 'nothing/')).toEqual([])
      await storage.delete(['nothing', 'packs/no/thing'])
    })

    it('creates an object once: a second creation leaves it as it is', async () => {
      const storage = await open()
      expect(await storage.put('once', bytes('first'), { ifAbsent: true })).toBe('created')
      expect(await storage.put('once', bytes('second'), { ifAbsent: true })).toBe('exists')
      expect(Buffer.from((await storage.get('once')) ?? []).toString()).toBe('first')
    })

    it('lets one of many that race for a name win', async () => {
      const storage = await open()
      const outcomes = await Promise.all(
        Array.from({ length: 20 }, (_, n) => storage.put('raced', bytes(`writer ${n + 10}`), { ifAbsent: true })),
      )
      const winners = outcomes.flatMap((outcome, n) => (outcome === 'created' ? [`writer ${n + 10}`] : []))
      // A store that decides nothing itself keeps one of them whole; the names that matter are random.
      expect(winners.length === 1 || !storage.traits.atomicCreate).toBe(true)
      expect(winners).toContain(Buffer.from((await storage.get('raced')) ?? []).toString())
    })

    it('lists what starts with a prefix, in order, with sizes', async () => {
      const storage = await open()
      for (const key of ['b/2', 'b/10', 'b.x', 'b/1/deep', 'a', 'bb', 'keys/slot-1', 'keys/slot-2', 'keys/other'])
        await storage.put(key, bytes(key))
      expect(await keysOf(storage)).toEqual([
        'a',
        'b.x',
        'b/1/deep',
        'b/10',
        'b/2',
        'bb',
        'keys/other',
        'keys/slot-1',
        'keys/slot-2',
      ])
      expect(await keysOf(storage, 'b/')).toEqual(['b/1/deep', 'b/10', 'b/2'])
      expect(await keysOf(storage, 'b')).toEqual(['b.x', 'b/1/deep', 'b/10', 'b/2', 'bb'])
      expect(await keysOf(storage, 'keys/slot-')).toEqual(['keys/slot-1', 'keys/slot-2'])
      for await (const { key, size } of storage.list('keys/')) expect(size).toBe(key.length)
    })

    it('lists more than a page', async () => {
      const storage = await open()
      const names = Array.from({ length: many }, (_, n) => `many/${String(n).padStart(5, '0')}`)
      await Promise.all(names.map((key) => storage.put(key, bytes('x'))))
      expect(await keysOf(storage, 'many/')).toEqual(names)
    }, 60_000)

    it('deletes what is named, and nothing else', async () => {
      const storage = await open()
      for (const key of ['x/1', 'x/2', 'x/3']) await storage.put(key, bytes('x'))
      await storage.delete(['x/1', 'x/3', 'x/9'])
      expect(await keysOf(storage)).toEqual(['x/2'])
      expect(await storage.get('x/1')).toBeUndefined()
    })

    it('keeps an object of many megabytes, and an empty one', async () => {
      const storage = await open()
      const large = Buffer.alloc(9_000_001, 'permafrost')
      await storage.put('large', large)
      await storage.put('empty', bytes(''))
      expect(Buffer.from((await storage.get('large')) ?? []).equals(large)).toBe(true)
      expect(await storage.head('large')).toEqual({ key: 'large', size: 9_000_001 })
      expect(await storage.head('empty')).toEqual({ key: 'empty', size: 0 })
    })

    it('passes what doctor asks of a location, which leaves nothing behind', async () => {
      const first = await open()
      await first.put('other/thing', bytes('not ours'))
      const { checks, learned } = await examineStorage({
        first,
        second: first,
        scratch: 'scratch/0/',
        random: (size) => randomBytes(size),
        clock: () => new Date(),
        signal: new AbortController().signal,
      })
      const failed = checks.filter(({ status }) => status === 'failed')
      expect(failed.filter(({ name: look }) => !(grows && look === 'whole objects'))).toEqual([])
      expect(learned.atomicCreate).toBe(first.traits.atomicCreate)
      expect(await keysOf(first, 'scratch/')).toEqual([])
      expect(Buffer.from((await first.get('other/thing')) ?? []).toString()).toBe('not ours')
    }, 60_000)

    it('never says its credentials', async () => {
      expect((await open()).location).not.toMatch(/@|password|secret/)
    })
  })
}
