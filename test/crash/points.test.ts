import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { hasCode } from '../../src/core/errors.ts'
import { layout } from '../../src/core/layout.ts'
import { thisFreezer } from '../../src/engine/freezer.ts'
import { prepareForget } from '../../src/operations/forget.ts'
import { preparePrune } from '../../src/operations/prune.ts'
import { listBackups } from '../../src/repository/backups.ts'
import { makeKeyFile } from '../../src/repository/keys.ts'
import { reachable } from '../../src/repository/reachable.ts'
import { initRepository, openRepository } from '../../src/repository/repository.ts'
import type { Repository } from '../../src/repository/repository.ts'
import { liveBackups } from '../../src/repository/take-stock.ts'
import { memoryStorage } from '../../src/storage/memory.ts'
import { nodeDisk } from '../../src/storage/node-disk.ts'
import type { Storage } from '../../src/storage/storage.ts'
import { plug } from '../helpers/plug.ts'
import type { Plug } from '../helpers/plug.ts'
import { fingerprint, keysOf, workbench } from '../helpers/workbench.ts'
import type { TestContext, TestEngine, Workbench } from '../helpers/workbench.ts'

type Objects = Map<string, Uint8Array<ArrayBuffer>>
const random = (size: number) => randomBytes(size)
const secret = makeKeyFile(random)
const DAY = 24 * 3600 * 1000

let bench: Workbench
let source: TestEngine
let target: TestEngine

beforeAll(async () => {
  bench = await workbench()
  source = await bench.engine('source')
  target = await bench.engine('target')
  await source.run(
    'CREATE DATABASE c',
    'CREATE TABLE c.a (k UInt64, v String) ENGINE = MergeTree PARTITION BY k % 2 ORDER BY k',
    'CREATE TABLE c.b (k UInt64) ENGINE = MergeTree ORDER BY k',
    'INSERT INTO c.a SELECT number, randomString(30) FROM numbers(100)',
    'INSERT INTO c.b SELECT number FROM numbers(100)',
  )
})
afterAll(() => bench[Symbol.asyncDispose]())

interface Process {
  readonly storage: Storage
  readonly plug: Plug
  /** Days from now. */
  readonly day: number
}

/** What a process does that may be killed; run again, it must end well. */
type Step = (process: Process) => Promise<unknown>

const open = (storage: Storage): Promise<Repository> => openRepository(storage, { secret, purpose: 'write' })

async function context(engine: TestEngine, { storage, plug: plugged, day }: Process): Promise<TestContext> {
  return bench.context(plugged.engine(engine), await open(storage), {
    disk: plugged.disk(nodeDisk),
    limits: { workers: 0, memory: 64 << 20 },
    // Of a process that is gone by the time when the next one looks.
    self: { ...thisFreezer(), started: 1 },
    clock: () => new Date(Date.now() + day * DAY),
  })
}

function unlessConflict(error: unknown): void {
  if (!hasCode(error, 'CONFLICT')) throw error
}

const STEPS: readonly (readonly [string, Step])[] = [
  [
    'init',
    async ({ storage }) => {
      const made = initRepository(storage, {
        suite: 'aes-256-gcm',
        secret,
        packTarget: 1 << 20,
        at: new Date(),
        random,
      })
      // Run again after its last step, it finds what it made.
      await made.catch(unlessConflict)
    },
  ],
  ['a first backup', async (process) => (await context(source, process)).backup({ tables: ['c.a'] })],
  ['a second backup', async (process) => (await context(source, process)).backup({ tables: ['c.b'] })],
  [
    'forget',
    async (process) => {
      const ctx = await context(source, process)
      const policy = { last: 1 }
      const all = (await listBackups(ctx.repository)).filter(
        (one) => one.outcome === 'read' && one.summary.tables === 1,
      )
      const ids = all.filter((one) => one.outcome === 'read' && one.summary.selection[0] === 'c.a').map(({ id }) => id)
      if (ids.length > 0) await (await prepareForget(ctx, { ids, policy, grace: 0 })).run()
    },
  ],
  ['prune', async (process) => (await preparePrune(await context(source, process), { minAge: 0 })).run()],
  [
    'restore',
    async (process) => {
      const ctx = await context(target, process)
      const [backup] = await listBackups(ctx.repository)
      if (backup?.outcome !== 'read') throw new Error('the backup is gone')
      // A table that was finished before the kill is a conflict by now, and as it should be.
      await ctx.restore(backup.summary).catch(unlessConflict)
    },
  ],
]

/** Every backup in the list is whole: whoever looks at this moment finds nothing broken. */
async function expectWhole(storage: Storage): Promise<void> {
  if (!(await storage.head(layout.format))) return
  const ctx = bench.context(source, await open(storage), { limits: { workers: 0, memory: 64 << 20 } })
  const ids = (await listBackups(ctx.repository)).map(({ id }) => id)
  if (ids.length === 0) return
  const readOnly = { ...ctx.repository.storage, put: async () => 'created' as const }
  const looking = bench.context(source, { ...ctx.repository, storage: readOnly }, { limits: ctx.limits })
  expect((await looking.verify(ids, 'content')).findings).toEqual([])
}

/** When all who died count as dead, prunes leave exactly what backups reach. */
async function expectNoLeak(storage: Storage): Promise<void> {
  const repository = await open(storage)
  const ctx = bench.context(source, repository, { clock: () => new Date(Date.now() + 3 * DAY) })
  // The first revokes what the dead announced, the second has what that protected.
  for (let n = 0; n < 2; n++) await (await preparePrune(ctx, { minAge: 0 })).run()
  const live = await liveBackups(repository, { reach: reachable(repository), now: ctx.clock() }).look()
  const there = [
    ...(await keysOf(storage, layout.packs.prefix)),
    ...(await keysOf(storage, layout.meta.prefix)),
    ...(await keysOf(storage, layout.backups.prefix)),
  ]
  expect(there.toSorted()).toEqual([...live.keys].toSorted())
  for (const prefix of [layout.pending.prefix, layout.condemned.prefix, layout.forgotten.prefix, layout.pins.prefix])
    expect(await keysOf(storage, prefix)).toEqual([])
  expect((await keysOf(storage, layout.sessions.prefix)).filter((key) => !key.endsWith('/known'))).toEqual([])
}

async function run(objects: Objects, step: Step, plugged: Plug): Promise<'died' | 'ended'> {
  const storage = plugged.storage(memoryStorage(objects))
  try {
    await step({ storage, plug: plugged, day: 0 })
    return plugged.pulled ? 'died' : 'ended'
  } catch (error) {
    if (plugged.pulled) return 'died'
    throw error
  }
}

const NEVER = Number.POSITIVE_INFINITY

describe.each(['before', 'after'] as const)('the plug is pulled %s each call', (when) => {
  it.each(STEPS.map(([name], index) => [name, index] as const))(
    'of %s',
    async (_name, index) => {
      const before: Objects = new Map()
      for (const [, step] of STEPS.slice(0, index)) await run(before, step, plug(NEVER, when))
      const [, step] = STEPS[index] as (typeof STEPS)[number]
      let point = 0
      for (; ; point++) {
        await target.run('DROP DATABASE IF EXISTS c SYNC')
        const objects: Objects = new Map(before)
        const outcome = await run(objects, step, plug(point, when))
        const storage = memoryStorage(objects)
        await expectWhole(storage)
        if (outcome === 'ended') break
        // The next day somebody runs it again; then everything goes on.
        expect(await run(objects, step, plug(NEVER, when))).toBe('ended')
        for (const [, next] of STEPS.slice(index + 1)) {
          await target.run('DROP DATABASE IF EXISTS c SYNC')
          await run(objects, next, plug(NEVER, when))
        }
        await expectWhole(storage)
        await expectNoLeak(storage)
        const table = { database: 'c', name: 'b' }
        expect(await fingerprint(target, table)).toEqual(await fingerprint(source, table))
      }
      expect(point).toBeGreaterThan(2)
    },
    600_000,
  )
})
