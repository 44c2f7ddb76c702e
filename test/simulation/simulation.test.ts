import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { hasCode } from '../../src/core/errors.ts'
import { layout } from '../../src/core/layout.ts'
import { readReach, backupIds } from '../../src/repository/backups.ts'
import { collect } from '../../src/repository/collector.ts'
import { planCollection } from '../../src/repository/collection-plan.ts'
import { forget } from '../../src/repository/forgotten.ts'
import { reachable } from '../../src/repository/reachable.ts'
import { initRepository } from '../../src/repository/repository.ts'
import type { Repository } from '../../src/repository/repository.ts'
import { memoryStorage } from '../../src/storage/memory.ts'
import { keysOf } from '../helpers/workbench.ts'
import { scheduler, seeded } from './scheduler.ts'
import { syntheticBackup } from './synthetic.ts'
import type { Actor, SyntheticPart } from './synthetic.ts'

const SEEDS = Number(process.env['PERMAFROST_SEEDS'] ?? 1000)
const FIRST = Number(process.env['PERMAFROST_FIRST_SEED'] ?? 1)
const DAY = 24 * 3600 * 1000

interface World {
  readonly repository: Repository
  /** Backups whose writers were told that they succeeded. */
  readonly reported: Set<string>
  readonly forgotten: Set<string>
  readonly outcomes: Map<string, number>
}

const part = (name: string): SyntheticPart => ({ name, content: Buffer.from(name.repeat(8)) })

async function expectWhole({ repository, reported }: World, seed: number): Promise<void> {
  const there = new Set(await keysOf(repository.storage))
  for (const id of reported) {
    const found = await readReach(repository, id)
    const keys = [layout.backups.key(id), ...(await reachable(repository).from(found?.blocks ?? [])).keys()]
    expect({ seed, id, lost: keys.filter((key) => !there.has(key)) }).toEqual({ seed, id, lost: [] })
  }
}

/** Three writers, two collectors and a retention job on one repository; any of them may die at any request. */
async function simulate(seed: number): Promise<ReadonlyMap<string, number>> {
  const random = seeded(seed)
  const bytes = (size: number): Uint8Array => Uint8Array.from({ length: size }, () => Math.floor(random() * 256))
  const storage = memoryStorage()
  const made = await initRepository(storage, { suite: 'none', packTarget: 1 << 20, at: new Date(0), random: bytes })
  const world: World = { repository: made, reported: new Set(), forgotten: new Set(), outcomes: new Map() }
  const clock = { now: Date.UTC(2026, 0, 1) }
  // Nobody's clock is right: some are days ahead, and take the living for dead.
  const actor = (): Actor => {
    const skew = random() < 0.3 ? 2 * DAY : 0
    return { random: bytes, clock: () => new Date((clock.now += 1000) + skew), signal: new AbortController().signal }
  }
  const first = await syntheticBackup(made, [part('a'), part('b')], actor())
  world.reported.add(first.id)

  const order = scheduler(random, 0.002)
  const repository: Repository = { ...made, storage: order.storage(storage) }
  const count = (what: string) => world.outcomes.set(what, (world.outcomes.get(what) ?? 0) + 1)
  const writer = (name: string) => async () => {
    for (let n = 0; n < 3; n++) {
      const parts = [part(`${name}${n}`), ...['a', 'b', 'c'].filter(() => random() < 0.5).map(part)]
      const { outcome, id } = await syntheticBackup(repository, parts, actor())
      count(outcome)
      if (outcome === 'committed') world.reported.add(id)
    }
  }
  const collector = async () => {
    for (let n = 0; n < 6; n++) {
      const me = actor()
      try {
        const plan = await planCollection(repository, { now: me.clock(), minAge: 0, confirmed: false, few: Infinity })
        const { packs } = await collect(repository, plan, me)
        count(packs > 0 ? 'collected' : 'nothing to collect')
      } catch (error) {
        // It may refuse at any time; then it has deleted nothing that it had not condemned.
        if (!hasCode(error, 'DAMAGED') && !hasCode(error, 'CONFLICT')) throw error
        count('refused')
      }
    }
  }
  const retention = async () => {
    for (let n = 0; n < 12; n++) {
      const ids = await backupIds(repository)
      const backup = ids[Math.floor(random() * ids.length)]
      if (backup === undefined || random() < 0.2) continue
      const at = new Date(0).toISOString()
      // It may be forgotten before its writer has heard that it succeeded.
      world.forgotten.add(backup)
      await forget(repository, { backup, by: 'r', at, reason: 'policy', notBefore: at }, bytes)
    }
  }
  await order.run([writer('x'), writer('y'), writer('z'), collector, collector, retention])
  for (const id of world.forgotten) world.reported.delete(id)
  await expectWhole(world, seed)
  // Days later, when everybody who died counts as dead, prunes leave what backups reach and nothing else.
  const last = { random: bytes, clock: () => new Date(clock.now + 9 * DAY), signal: new AbortController().signal }
  for (let n = 0; n < 2; n++) {
    const plan = await planCollection(made, { now: last.clock(), minAge: 0, confirmed: true, few: Infinity }).catch(
      (error: unknown) => {
        // A contested backup keeps everything until somebody forgets it; nobody was told that it exists.
        if (!hasCode(error, 'DAMAGED')) throw error
        count('contested')
      },
    )
    if (plan) await collect(made, plan, last)
  }
  await expectWhole(world, seed)
  if (!world.outcomes.has('contested')) await expectNothingElse(made, seed)
  return world.outcomes
}

async function expectNothingElse(repository: Repository, seed: number): Promise<void> {
  const reaches = await Promise.all((await backupIds(repository)).map((id) => readReach(repository, id)))
  const live = await reachable(repository).from(reaches.flatMap((found) => found?.blocks ?? []))
  const there = [...(await keysOf(repository.storage, 'packs/')), ...(await keysOf(repository.storage, 'meta/'))]
  expect({ seed, orphans: there.filter((key) => !live.has(key)) }).toEqual({ seed, orphans: [] })
  expect({ seed, left: await keysOf(repository.storage, 'pending/') }).toEqual({ seed, left: [] })
}

describe('three writers, two collectors and a retention job, in an order that a seed decides', () => {
  it('lose nothing that was reported, and leave nothing behind', async () => {
    const total = new Map<string, number>()
    for (let seed = FIRST; seed < FIRST + SEEDS; seed++)
      for (const [what, times] of await simulate(seed)) total.set(what, (total.get(what) ?? 0) + times)
    // The simulation is worth something only when everything happens in it.
    for (const what of ['committed', 'collected', 'refused'])
      expect([what, total.get(what) ?? 0]).not.toEqual([what, 0])
    console.log(Object.fromEntries(total))
  }, 1_200_000)

  it('go the same way for the same seed', async () => {
    const hash = async (seed: number) =>
      createHash('sha256')
        .update(JSON.stringify([...(await simulate(seed))]))
        .digest('hex')
    expect(await hash(7)).toBe(await hash(7))
  })
})
