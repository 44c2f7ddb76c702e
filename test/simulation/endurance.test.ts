import { expect, it } from 'vitest'
import { decideRetention } from '../../src/core/retention.ts'
import type { RetentionPolicy } from '../../src/core/retention.ts'
import { isWorthReusing, OWN_PACKS, placementOf } from '../../src/core/store-plan.ts'
import { MIB } from '../../src/core/units.ts'
import { prepareForget } from '../../src/operations/forget.ts'
import { backupIds, readReach } from '../../src/repository/backups.ts'
import { collect } from '../../src/repository/collector.ts'
import { planCollection } from '../../src/repository/collection-plan.ts'
import { reachable } from '../../src/repository/reachable.ts'
import { initRepository } from '../../src/repository/repository.ts'
import { memoryStorage } from '../../src/storage/memory.ts'
import { keysOf } from '../helpers/workbench.ts'
import { seeded } from './scheduler.ts'
import { syntheticBackup } from './synthetic.ts'

const HOUR = 3600 * 1000
const YEARS = 2
const POLICY: RetentionPolicy = { hourly: 24, daily: 14, weekly: 8, monthly: 12 }

interface Part {
  readonly name: string
  readonly partition: number
  readonly bytes: number
}

/** A table as ClickHouse keeps it: inserts become small parts, merges make few large ones of them, old months are mutated now and then. */
function table(random: () => number) {
  let parts: Part[] = []
  let block = 0
  const merge = (partition: number, level: number, fanIn: number): void => {
    const young = parts.filter((part) => part.partition === partition && Number(part.name.split('_')[3]) === level)
    if (young.length < fanIn) return
    const bytes = young.reduce((sum, part) => sum + part.bytes, 0)
    const [from, to] = [Number(young[0]?.name.split('_')[1]), Number(young.at(-1)?.name.split('_')[2])]
    parts = parts.filter((part) => !young.includes(part))
    parts.push({ name: `${partition}_${from}_${to}_${level + 1}`, partition, bytes })
  }
  return {
    get parts(): readonly Part[] {
      return parts
    },
    hour: (partition: number): void => {
      for (let n = 0; n < 3; n++)
        parts.push({
          name: `${partition}_${++block}_${block}_0`,
          partition,
          bytes: Math.floor((0.2 + random()) * 8 * MIB),
        })
      merge(partition, 0, 6)
      merge(partition, 1, 8)
      merge(partition, 2, 10)
      if (random() < 0.002) {
        // A mutation rewrites a whole month.
        const month = partition - Math.floor(random() * 3)
        parts = parts.map((part) => (part.partition === month ? { ...part, name: `${part.name}_${++block}` } : part))
      }
      parts = parts.filter((part) => part.partition > partition - 18)
    },
  }
}

interface Pack {
  readonly bytes: number
  readonly parts: ReadonlySet<string>
}

it('two years of hourly backups leave less than 2 % of dead bytes, without ever repacking', () => {
  const random = seeded(1)
  const server = table(random)
  const packs = new Map<number, Pack>()
  let where = new Map<string, number>()
  let backups: { readonly id: string; readonly at: Date; readonly parts: ReadonlyMap<string, number> }[] = []
  const sizes = new Map<string, number>()
  let next = 0
  const shares: number[] = []
  for (let hour = 0; hour < YEARS * 365 * 24; hour++) {
    const partition = Math.floor(hour / (30 * 24))
    server.hour(partition)
    for (const part of server.parts) sizes.set(part.name, part.bytes)
    // Of each pack what the last backup uses: with less than half of it in use, its parts are stored again.
    const live = new Map<number, number>()
    for (const [name, pack] of where) live.set(pack, (live.get(pack) ?? 0) + (sizes.get(name) ?? 0))
    const reusable = (name: string): number | undefined => {
      const pack = where.get(name)
      const held = pack === undefined ? undefined : packs.get(pack)
      return held && isWorthReusing({ bytes: held.bytes, live: live.get(pack ?? -1) ?? 0 }) ? pack : undefined
    }
    const now = new Map<string, number>()
    const together = new Map<string, Part[]>()
    for (const part of server.parts) {
      const pack = reusable(part.name)
      if (pack !== undefined) now.set(part.name, pack)
      else {
        const place =
          part.bytes >= OWN_PACKS ? part.name : placementOf({ name: part.name, newest: part.partition === partition })
        together.set(place, [...(together.get(place) ?? []), part])
      }
    }
    for (const group of together.values()) {
      const pack = next++
      packs.set(pack, {
        bytes: group.reduce((sum, part) => sum + part.bytes, 0),
        parts: new Set(group.map(({ name }) => name)),
      })
      for (const part of group) now.set(part.name, pack)
    }
    where = now
    backups.push({ id: String(hour).padStart(6, '0'), at: new Date(hour * HOUR), parts: now })
    if (hour % 24 !== 0) continue
    const candidates = backups.map(({ id, at }) => ({
      id,
      started: at,
      host: 'h',
      set: 's',
      tags: [],
      complete: true,
      proven: false,
    }))
    const kept = decideRetention(candidates, POLICY, new Date(hour * HOUR))
    backups = backups.filter((_, index) => kept[index]?.keep)
    const used = new Map<number, Set<string>>()
    for (const { parts } of backups)
      for (const [name, pack] of parts) used.set(pack, (used.get(pack) ?? new Set()).add(name))
    for (const pack of packs.keys()) if (!used.has(pack)) packs.delete(pack)
    const total = [...packs.values()].reduce((sum, pack) => sum + pack.bytes, 0)
    const inUse = [...used.values()].reduce(
      (sum, names) => sum + [...names].reduce((bytes, name) => bytes + (sizes.get(name) ?? 0), 0),
      0,
    )
    if (hour > 90 * 24) shares.push(1 - inUse / total)
  }
  expect(backups.length).toBeGreaterThan(40)
  expect(Math.max(...shares)).toBeLessThan(0.02)
})

it('two years of daily backups with forget and prune leave no orphan, and no more than the policy keeps', async () => {
  const random = seeded(2)
  const bytes = (size: number): Uint8Array => Uint8Array.from({ length: size }, () => Math.floor(random() * 256))
  const storage = memoryStorage()
  const repository = await initRepository(storage, { suite: 'none', packTarget: MIB, at: new Date(0), random: bytes })
  const clock = { day: 0 }
  const signal = new AbortController().signal
  const actor = { random: bytes, clock: () => new Date(Date.UTC(2026, 0, 1 + clock.day)), signal }
  const self = { host: 'h', boot: 'b', pid: 1, started: 1 }
  let names: string[] = []
  for (; clock.day < YEARS * 365; clock.day++) {
    names = [...names.filter(() => random() > 0.05), `part${clock.day}`].slice(-12)
    const { outcome } = await syntheticBackup(
      repository,
      names.map((name) => ({ name, content: Buffer.from(name) })),
      actor,
    )
    expect(outcome).toBe('committed')
    if (clock.day % 7 !== 0) continue
    const policy = { daily: 7, weekly: 4, monthly: 12 }
    await (await prepareForget({ ...actor, repository, self }, { ids: [], policy, grace: 3 * 24 * 3600 })).run()
    const plan = await planCollection(repository, { now: actor.clock(), minAge: 0, confirmed: false, few: 0 })
    await collect(repository, plan, actor)
  }
  const kept = await backupIds(repository)
  expect(kept.length).toBeLessThan(7 + 4 + 12 + 8)
  clock.day += 30
  await collect(
    repository,
    await planCollection(repository, { now: actor.clock(), minAge: 0, confirmed: false, few: 0 }),
    actor,
  )
  const reaches = await Promise.all(kept.map((id) => readReach(repository, id)))
  const live = await reachable(repository).from(reaches.flatMap((found) => found?.blocks ?? []))
  const there = [...(await keysOf(storage, 'packs/')), ...(await keysOf(storage, 'meta/'))]
  expect(there.toSorted()).toEqual([...live.keys()].toSorted())
  expect(await keysOf(storage, 'forgotten/')).toEqual([])
}, 300_000)
