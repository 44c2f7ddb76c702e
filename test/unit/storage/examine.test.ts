import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { PermafrostError } from '../../../src/core/errors.ts'
import { examineLocation } from '../../../src/operations/examine-location.ts'
import { readReach } from '../../../src/repository/backups.ts'
import { collect } from '../../../src/repository/collector.ts'
import { planCollection } from '../../../src/repository/collection-plan.ts'
import { forget } from '../../../src/repository/forgotten.ts'
import { settleTime, writeLearned } from '../../../src/repository/learned.ts'
import { announce } from '../../../src/repository/marks.ts'
import { initRepository, openRepository } from '../../../src/repository/repository.ts'
import { examineStorage } from '../../../src/storage/examine.ts'
import { memoryStorage } from '../../../src/storage/memory.ts'
import type { ObjectInfo, Storage } from '../../../src/storage/storage.ts'
import { keysOf } from '../../helpers/workbench.ts'
import { syntheticBackup } from '../../simulation/synthetic.ts'

const random = (size: number) => randomBytes(size)
const signal = new AbortController().signal
const clock = () => new Date()
const SECOND = 1000

const examine = (first: Storage, second = first) =>
  examineStorage({ first, second, scratch: 'scratch/x/', random, clock, signal })
const problemsOf = async (storage: Storage, second = storage) =>
  (await examine(storage, second)).checks
    .filter(({ status }) => status !== 'ok')
    .map(({ name, status }) => [name, status])

/** A store whose lists show what was put only later, by a clock of its own. */
function lagging(inner: Storage, time: { now: number }, lag: number): Storage {
  const written = new Map<string, number>()
  return {
    ...inner,
    put: async (key, ...rest) => {
      written.set(key, written.get(key) ?? time.now)
      return inner.put(key, ...rest)
    },
    async *list(prefix) {
      for await (const object of inner.list(prefix)) if ((written.get(object.key) ?? 0) + lag <= time.now) yield object
    },
  }
}

describe('a doctor finds a store', () => {
  it('in order, and that its answers are in milliseconds', async () => {
    const { checks, learned } = await examine(memoryStorage())
    expect(checks.filter(({ status }) => status !== 'ok')).toEqual([])
    expect(checks.at(-1)?.message).toMatch(/put \d+ ms \(95 %: \d+ ms\)/)
    expect(learned).toEqual({ atomicCreate: true, listLag: 0 })
  })

  it('that overwrites what it was asked to create', async () => {
    const inner = memoryStorage()
    const storage: Storage = {
      ...inner,
      put: async (key, body) => {
        await inner.put(key, body)
        return 'created'
      },
    }
    expect(await problemsOf(storage)).toEqual([['create once', 'warning']])
    expect((await examine(storage)).learned.atomicCreate).toBe(false)
  })

  it('whose lists lag', async () => {
    const time = { now: 0 }
    const slow = lagging(memoryStorage(), time, 3 * SECOND)
    const first: Storage = { ...slow, put: async (...args) => slow.put(...args) }
    // Every look at the list takes a second of the store's time.
    const second: Storage = {
      ...slow,
      async *list(prefix) {
        time.now += SECOND
        yield* slow.list(prefix)
      },
    }
    const { checks, learned } = await examineStorage({
      first,
      second,
      scratch: 'scratch/x/',
      random,
      signal,
      clock: () => new Date(time.now),
    })
    expect(checks.find(({ name }) => name === 'list after write')?.status).toBe('warning')
    expect(learned.listLag).toBeGreaterThanOrEqual(1)
  })

  it.each([
    [
      'gives back other bytes',
      'write and read',
      (s: Storage): Storage => ({ ...s, get: async () => new Uint8Array(3) }),
    ],
    ['takes a range for the whole', 'ranges', (s: Storage): Storage => ({ ...s, get: async (key) => s.get(key) })],
    ['ends a list after a page', 'pages of a list', firstPage],
    ['keeps what was deleted', 'delete', (s: Storage): Storage => ({ ...s, delete: async () => undefined })],
    ['has another clock', 'clock', (s: Storage): Storage => ({ ...s, list: (prefix) => dated(s.list(prefix)) })],
  ])('that %s', async (_what, look, wrap) => {
    expect((await problemsOf(wrap(memoryStorage()))).map(([name]) => name)).toContain(look)
  })

  it('that shows half of an object while it is written', async () => {
    const inner = memoryStorage()
    const torn: Storage = {
      ...inner,
      put: async (key, body, options) => {
        await inner.put(key, body.subarray(0, body.length / 2))
        await new Promise<void>((done) => setImmediate(done))
        if (options?.ifAbsent) await inner.delete([key])
        return inner.put(key, body, options)
      },
    }
    expect(await problemsOf(torn)).toContainEqual(['whole objects', 'failed'])
  })

  it('whose credentials may not delete, which is as it should be', async () => {
    const storage: Storage = {
      ...memoryStorage(),
      delete: async () => {
        throw new PermafrostError('UNAUTHORIZED', 'no')
      },
    }
    const { checks } = await examine(storage)
    expect(checks.filter(({ status }) => status !== 'ok')).toEqual([])
    expect(checks.find(({ name }) => name === 'delete')?.message).toContain('may not delete')
  })

  it('that cannot be written to at all, and tries nothing more', async () => {
    const storage: Storage = {
      ...memoryStorage(),
      put: async () => {
        throw new PermafrostError('UNAUTHORIZED', 'read only')
      },
    }
    const { checks } = await examine(storage)
    expect(checks).toEqual([{ name: 'write and read', status: 'failed', code: 'UNAUTHORIZED', message: 'read only' }])
  })
})

async function* dated(objects: AsyncIterable<ObjectInfo>): AsyncGenerator<ObjectInfo> {
  for await (const object of objects) yield { ...object, modified: new Date(0) }
}

function firstPage(inner: Storage): Storage {
  return {
    ...inner,
    async *list(prefix) {
      let left = 1000
      for await (const object of inner.list(prefix)) if (left-- > 0) yield object
    },
  }
}

describe('what a doctor learned', () => {
  const secret = `permafrost-key-1:${Buffer.alloc(32, 1).toString('base64url')}`
  const init = (storage: Storage) =>
    initRepository(storage, { suite: 'aes-256-gcm', secret, packTarget: 1 << 20, at: new Date(), random })

  it('is known to the repository there, and nothing else is left', async () => {
    const storage = memoryStorage()
    await init(storage)
    const before = await keysOf(storage)
    const location = {
      connect: async () => storage,
      openRepository: () => openRepository(storage, { secret, purpose: 'write' }),
      random,
      clock,
      signal,
      emit: () => undefined,
    }
    for (let n = 0; n < 2; n++) expect((await examineLocation(location)).at(-1)).toMatchObject({ status: 'ok' })
    const after = await keysOf(storage)
    expect(after.filter((key) => !before.includes(key))).toEqual([expect.stringMatching(/^learned\//)])
    expect(await settleTime(await location.openRepository())).toBe(0)
  })

  it.each([
    ['makes a prune wait between its looks, so that it sees who announced before', 'waits', 'spared'],
    ['would hide from a prune that does not wait who announced before', 'does not wait', 'deleted'],
  ])('of a list that lags %s', async (_what, prune, outcome) => {
    const time = { now: Date.UTC(2026, 0, 1) }
    const inner = memoryStorage()
    const made = await init(inner)
    const repository = { ...made, storage: lagging(inner, time, 30 * SECOND) }
    const actor = { random, clock: () => new Date(time.now), signal }
    await writeLearned(repository, { at: actor.clock().toISOString(), atomicCreate: true, listLag: 30 }, random)
    const { id } = await syntheticBackup(repository, [{ name: 'a', content: Buffer.from('a') }], actor)
    const blocks = (await readReach(repository, id))?.blocks ?? []
    const at = new Date(0).toISOString()
    await forget(repository, { backup: id, by: 't', at, reason: 't', notBefore: at }, random)
    time.now += 60 * SECOND
    const plan = await planCollection(repository, { now: actor.clock(), minAge: 0, confirmed: true, few: 0 })
    // A writer is about to point to what the plan holds for dead, and the list does not show it yet.
    await announce(repository, { name: `${'0'.repeat(32)}.1`, at: actor.clock().toISOString(), blocks }, random)
    const waited: number[] = []
    const pause = async (seconds: number) => {
      waited.push(seconds)
      if (prune === 'waits') time.now += seconds * SECOND
    }
    const { packs } = await collect(repository, plan, { ...actor, pause })
    expect(waited).toEqual([120])
    expect(packs > 0 ? 'deleted' : 'spared').toBe(outcome)
  })
})
