import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { PermafrostError } from '../../../src/core/errors.ts'
import { aroundCalls } from '../../../src/storage/around-calls.ts'
import type { StorageCall } from '../../../src/storage/around-calls.ts'
import { withConcurrency } from '../../../src/storage/concurrency.ts'
import { withLayers } from '../../../src/storage/layers.ts'
import type { StorageLimits } from '../../../src/storage/layers.ts'
import { memoryStorage } from '../../../src/storage/memory.ts'
import { createMeter } from '../../../src/storage/meter.ts'
import { FAILURES, StorageError } from '../../../src/storage/storage-error.ts'
import type { StorageFailure } from '../../../src/storage/storage-error.ts'
import type { Storage } from '../../../src/storage/storage.ts'
import { storageContract } from '../../contract/storage-contract.ts'
import { faulty } from '../../helpers/faulty.ts'
import type { Fault } from '../../helpers/faulty.ts'
import { keysOf } from '../../helpers/workbench.ts'

const clock = () => new Date()
/** The shortest waits: a jitter of nothing. */
const random = (size: number) => new Uint8Array(size)

const broken = new StorageError('broken', 'the connection broke')
const layersOver = (storage: Storage, limits: StorageLimits = {}) => {
  const meter = createMeter(clock)
  return { storage: withLayers(storage, { limits: { patience: 60, ...limits }, meter, clock, random }), meter }
}
const inOrder = (...faults: Fault[]) => {
  const calls: StorageCall[] = []
  return {
    calls,
    rule: (call: StorageCall): Fault => {
      calls.push(call)
      return faults[calls.length - 1]
    },
  }
}

storageContract('memory below all layers', async () => layersOver(memoryStorage()).storage)

/** Every third call fails, before or after it did its work. */
let calls = 0
const everyThird = (): Fault => (++calls % 3 ? undefined : calls % 2 ? { before: broken } : { after: broken })
storageContract('memory that fails all the time', async () => layersOver(faulty(memoryStorage(), everyThird)).storage)

describe('the layers above a store', () => {
  it.each(Object.keys(FAILURES) as StorageFailure[])(
    'tries again after %s only if the table says so',
    async (failure) => {
      const faults = inOrder({ before: new StorageError(failure, 'no') })
      const { storage, meter } = layersOver(faulty(memoryStorage(), faults.rule))
      const outcome = await storage.put('a', Buffer.from('x')).catch((error: StorageError) => error.failure)
      const { retryable } = FAILURES[failure]
      expect(outcome).toBe(retryable ? 'created' : failure)
      expect(meter.usage().put).toMatchObject({ requests: retryable ? 2 : 1 })
    },
  )

  it('leaves what is no error of a store alone', async () => {
    const bug = new PermafrostError('INTERNAL', 'a bug')
    const { storage } = layersOver(faulty(memoryStorage(), inOrder({ before: bug }).rule))
    await expect(storage.get('a')).rejects.toBe(bug)
  })

  it('takes a create-only put whose answer was lost for done when the bytes are ours', async () => {
    const { storage } = layersOver(faulty(memoryStorage(), inOrder({ after: broken }).rule))
    expect(await storage.put('a', Buffer.from('ours'), { ifAbsent: true })).toBe('created')
  })

  it('takes it for lost when somebody else’s bytes are there', async () => {
    const inner = memoryStorage()
    await inner.put('a', Buffer.from('theirs'))
    const { storage } = layersOver(faulty(inner, inOrder({ before: broken }).rule))
    expect(await storage.put('a', Buffer.from('ours'), { ifAbsent: true })).toBe('exists')
  })

  it('goes on at the last byte that came', async () => {
    const inner = memoryStorage()
    await inner.put('a', Buffer.from('0123456789'))
    const ranges: unknown[] = []
    const dripping: Storage = {
      ...inner,
      get: async (key, { range, onBytes } = {}) => {
        ranges.push(range)
        const bytes = await inner.get(key, { range })
        if (!bytes || bytes.length <= 3) return bytes
        onBytes?.(bytes.subarray(0, 3))
        throw broken
      },
    }
    const { storage } = layersOver(dripping)
    const text = async (range?: { offset: number; length: number }) =>
      Buffer.from((await storage.get('a', { range })) ?? []).toString()
    expect(await text({ offset: 1, length: 7 })).toBe('1234567')
    expect(ranges).toEqual([
      { offset: 1, length: 7 },
      { offset: 4, length: 4 },
      { offset: 7, length: 1 },
    ])
    expect(await text()).toBe('0123456789')
  })

  it('goes on with a listing at the last key that came', async () => {
    const inner = memoryStorage()
    const names = Array.from({ length: 40 }, (_, n) => `k/${String(n).padStart(2, '0')}`)
    for (const name of names) await inner.put(name, Buffer.from(''))
    let steps = 0
    const { storage } = layersOver(faulty(inner, () => (++steps % 7 ? undefined : { before: broken })))
    expect(await keysOf(storage, 'k/')).toEqual(names)
  })

  it('gives up a call in which nothing moves, and one that fails for longer than its patience', async () => {
    const { storage } = layersOver({ ...faulty(memoryStorage(), () => 'silence'), traits: traits(4) }, limits)
    await expect(storage.get('a')).rejects.toMatchObject({
      code: 'STORAGE_UNAVAILABLE',
      message: expect.stringMatching(/said nothing for .*read a/),
    })
    await expect(keysOf(storage)).rejects.toMatchObject({ failure: 'broken' })
  })

  it('waits as long as the store asks, and no longer than its patience', async () => {
    const busy = new StorageError('busy', 'slow down', { retryAfter: 120_000 })
    const { storage } = layersOver(faulty(memoryStorage(), () => ({ before: busy })))
    await expect(storage.head('a')).rejects.toMatchObject({ failure: 'busy' })
  })

  it('asks for less at a time after every SlowDown', async () => {
    const running = { now: 0, most: 0 }
    const counted = aroundCalls({ ...memoryStorage(), traits: traits(16) }, async ({ options }, go) => {
      running.most = Math.max(running.most, ++running.now)
      await new Promise((done) => setImmediate(done))
      running.now--
      return go(options)
    })
    let refused = 0
    const slow = faulty(counted, () => (refused++ < 16 ? { before: new StorageError('busy', 'slow down') } : undefined))
    const { storage } = layersOver(slow)
    await Promise.all(Array.from({ length: 40 }, (_, n) => storage.put(`k/${n}`, Buffer.from('x'))))
    expect(running.most).toBeLessThan(16)
    expect(await keysOf(storage)).toHaveLength(40)
  })

  it('finds how much a store bears, stays there, and notices when that changes', async () => {
    const store = { bears: 4, now: 0, refused: 0, most: 0 }
    const inner = aroundCalls({ ...memoryStorage(), traits: traits(16) }, async ({ options }, go) => {
      if (store.now >= store.bears) {
        store.refused++
        throw new StorageError('busy', 'slow down')
      }
      store.most = Math.max(store.most, ++store.now)
      await new Promise((done) => setImmediate(done))
      store.now--
      return go(options)
    })
    const storage = withConcurrency(inner)
    const look = (): Promise<unknown> => storage.head('a').catch(look)
    const ask = async (times: number, bears: number) => {
      Object.assign(store, { bears, refused: 0, most: 0 })
      await Promise.all(Array.from({ length: times }, look))
      return { refused: store.refused, most: store.most }
    }
    const first = await ask(1000, 4)
    expect(first.most).toBe(4)
    // Halved at every refusal, and grown as fast near it as far from it, it was 118.
    expect(first.refused).toBeLessThan(40)
    const less = await ask(1000, 2)
    expect(less.most).toBe(2)
    expect(less.refused).toBeLessThan(60)
    expect((await ask(3000, 12)).most).toBe(12)
  })

  it('stops at once when it is asked to, also while it waits', async () => {
    const stop = new AbortController()
    const busy = new StorageError('busy', 'slow down', { retryAfter: 30_000 })
    const { storage } = layersOver(faulty(memoryStorage(), () => ({ before: busy })))
    const call = storage.get('a', { signal: stop.signal })
    stop.abort(new PermafrostError('CANCELLED', 'stopped on request'))
    await expect(call).rejects.toMatchObject({ code: 'CANCELLED' })
  })

  it('lets a call wait until the ones before it are paid for', async () => {
    const storage = withLayers(memoryStorage(), { limits: { upload: 1e6 }, clock, random })
    const order: string[] = []
    const put = async (key: string): Promise<void> => {
      await storage.put(key, Buffer.alloc(60_000))
      order.push(key)
    }
    await Promise.all([put('a'), put('b'), sleep(30).then(() => order.push('30 ms')), put('c')])
    expect(order).toEqual(['a', '30 ms', 'b', 'c'])
  })

  it('counts requests, retries and bytes by kind', async () => {
    const { storage, meter } = layersOver(faulty(memoryStorage(), inOrder({ before: broken }).rule))
    await storage.put('a', Buffer.from('12345'))
    await storage.get('a')
    await keysOf(storage)
    expect(meter.usage()).toMatchObject({
      put: { requests: 2, retries: 1, throttles: 0, bytes: 10 },
      get: { requests: 1, retries: 0, bytes: 5 },
      list: { requests: 1, retries: 0, bytes: 0 },
    })
  })
})

const limits: StorageLimits = { silence: 0.05, patience: 0.1 }

function traits(connections: number) {
  return { atomicCreate: true, connections, reportsBytes: true }
}
