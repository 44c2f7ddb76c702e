import { beginCollect, isClosable, nextCollect } from '../../src/core/collect-steps.ts'
import type { CollectState } from '../../src/core/collect-steps.ts'
import { beginCommit, nextCommit } from '../../src/core/commit-steps.ts'
import type { CommitRole, CommitState } from '../../src/core/commit-steps.ts'

/** Keys below names, always in the order of names, so that equal worlds are equal as text. */
type Named = Readonly<Record<string, readonly string[]>>

/** A repository and everybody who works on it. One step is one request; anybody may stop for ever, anywhere. */
export interface World {
  /** Packs and records of backups that are there. */
  readonly objects: readonly string[]
  readonly pending: Named
  readonly condemned: Named
  readonly revoked: readonly string[]
  /** What each backup reaches, also after its record has gone. */
  readonly backups: Named
  readonly pins: Named
  readonly forgotten: readonly string[]
  readonly ready: readonly string[]
  /** Backups and pins whose makers were told that they succeeded. */
  readonly reported: readonly string[]
  readonly processes: readonly Process[]
}

interface Committer {
  readonly kind: 'backup' | 'pin' | 'undo'
  readonly name: string
  readonly role: CommitRole
  readonly state: CommitState
  readonly needs: readonly string[]
  /** Still to be PUT before the next step. */
  readonly store: readonly string[]
}

interface Collector {
  readonly kind: 'collector'
  readonly name: string
  readonly passes: number
  readonly state: CollectState
}

type Process = Committer | Collector

/** The protocol, or one that was broken on purpose. */
export interface Protocol {
  readonly nextCommit: typeof nextCommit
  readonly nextCollect: typeof nextCollect
  readonly isClosable: typeof isClosable
  /** A writer's announcement is PUT. */
  readonly announces: boolean
  /** Announcements go before the commit instead of after it. */
  readonly dropsEarly: boolean
  /** A collector leaves it at somebody else's open record when that names the same. */
  readonly adopts: boolean
  /** A lost pack is stored under its old name, and not looked for again. */
  readonly reusesNames: boolean
  /** A revocation may be taken back. */
  readonly unrevokes: boolean
  /** The coordinator waits for `ready`, not for announcements. */
  readonly awaitsReady: boolean
  /** Revocations are looked for of all announcements, not only of the first node. */
  readonly checksAll: boolean
}

export const THE_PROTOCOL: Protocol = {
  nextCommit,
  nextCollect,
  isClosable,
  announces: true,
  dropsEarly: false,
  adopts: false,
  reusesNames: false,
  unrevokes: false,
  awaitsReady: true,
  checksAll: true,
}

export interface Scope {
  readonly writers?: number
  /** A set of two nodes with one coordinator, instead of writers by themselves. */
  readonly set?: boolean
  readonly tries: number
  readonly collectors: number
  readonly passes: number
  readonly pins?: number
  /** Somebody takes a `forget` of the first backup back. */
  readonly undo?: boolean
}

/** One backup of one pack; writers reuse that pack and store one of their own. */
export function begin({ writers = 0, set = false, collectors, passes, pins = 0, undo = false }: Scope): World {
  const old = ['packs/a']
  const committer = (kind: Committer['kind'], name: string, rest: Partial<Committer> = {}): Committer => ({
    kind,
    name,
    role: 'alone',
    state: beginCommit('alone'),
    needs: [...old, `packs/${name}1`],
    store: [`packs/${name}1`],
    ...rest,
  })
  const times = <T>(count: number, make: (n: number) => T) => Array.from({ length: count }, (_, n) => make(n))
  const nodes = set ? ['s0', 's1'] : []
  return {
    objects: ['backups/b', ...old],
    pending: {},
    condemned: {},
    revoked: [],
    backups: { b: old },
    pins: {},
    forgotten: [],
    ready: [],
    reported: ['b'],
    processes: [
      ...times(writers, (n) => committer('backup', `w${n}`)),
      ...nodes.map((name) => committer('backup', name, { role: 'node' })),
      ...(set
        ? [committer('backup', 's', { role: 'coordinator', state: beginCommit('coordinator'), store: [], needs: [] })]
        : []),
      ...times(pins, (n) => committer('pin', `p${n}`, { needs: [...old, 'backups/b'], store: [] })),
      ...(undo ? [committer('undo', 'u', { needs: [...old, 'backups/b'], store: [] })] : []),
      ...times(collectors, (n): Collector => ({ kind: 'collector', name: `c${n}`, passes, state: beginCollect })),
    ],
  }
}

/** What is wrong with this world, if anything is. */
export function violation(world: World): string | undefined {
  const there = new Set(world.objects)
  const forgotten = new Set(world.forgotten)
  const revoked = new Set(world.revoked.map((announcement) => announcement.split('.')[0]))
  for (const [id, keys] of Object.entries(world.backups)) {
    if (forgotten.has(id)) continue
    const whole = keys.every((key) => there.has(key))
    const makers = id === 's' ? ['s0', 's1'] : id === 'b' ? ['u'] : [id]
    const contested = makers.some((maker) => revoked.has(maker))
    if (there.has(`backups/${id}`) && !contested && !whole) return `backup ${id} is visible and has lost a pack`
    if (world.reported.includes(id) && !(whole && there.has(`backups/${id}`)))
      return `backup ${id} was reported as a success and is lost`
  }
  // What a contested backup reaches may have gone before it was pinned.
  for (const [id, keys] of revoked.has('u') ? [] : Object.entries(world.pins))
    if (world.reported.includes(id) && !keys.every((key) => there.has(key))) return `pin ${id} lost what it keeps`
  return undefined
}

/** Every world that one request of somebody makes of this one. */
export function* successors(world: World, scope: Scope, protocol: Protocol): Generator<readonly [string, World]> {
  for (const [index, process] of world.processes.entries()) {
    const next =
      process.kind === 'collector'
        ? collectorStep(world, process, protocol)
        : committerStep(world, process, { scope, protocol })
    if (!next) continue
    const { process: changed, label, ...rest } = next
    const processes = world.processes.with(index, changed)
    yield [`${process.name} ${label}`, { ...world, ...rest, processes }]
  }
  // A retention job may forget any backup at any time, a janitor revoke any announcement, and clear away what is settled.
  for (const id of Object.keys(world.backups))
    if (!world.forgotten.includes(id) && world.objects.includes(`backups/${id}`))
      yield [`forget ${id}`, { ...world, forgotten: add(world.forgotten, id), reported: without(world.reported, id) }]
  for (const name of Object.keys(world.pending)) {
    const isRevoked = world.revoked.includes(name)
    if (!isRevoked) yield [`revoke ${name}`, { ...world, revoked: add(world.revoked, name) }]
    const owner = setOf(name.split('.')[0] ?? '')
    if (isRevoked || world.backups[owner] || world.pins[owner])
      yield [`drop ${name}`, { ...world, pending: remove(world.pending, [name]) }]
  }
  if (protocol.unrevokes)
    for (const name of world.revoked) yield [`unrevoke ${name}`, { ...world, revoked: without(world.revoked, name) }]
  const there = new Set(world.objects)
  for (const [name, keys] of Object.entries(world.condemned))
    if (protocol.isClosable(keys, there))
      yield [`close ${name}`, { ...world, condemned: remove(world.condemned, [name]) }]
}

type Change = Partial<World> & { readonly process: Process; readonly label: string }

function committerStep(
  world: World,
  process: Committer,
  { scope, protocol }: { readonly scope: Scope; readonly protocol: Protocol },
): Change | undefined {
  const { name, state, role, store } = process
  const [first, ...rest] = store
  if (first !== undefined)
    return { label: `PUT ${first}`, objects: add(world.objects, first), process: { ...process, store: rest } }
  const needs = role === 'coordinator' ? needsOfSet(world) : process.needs
  const go = (seen: Iterable<string> = [], more: Partial<Committer> = {}): Committer => {
    const terms = { role, needs, tries: process.kind === 'backup' ? scope.tries : 1 }
    return { ...process, state: protocol.nextCommit(state, new Set(seen), terms), ...more }
  }
  const label = state.at
  switch (state.at) {
    case 'announce': {
      const pending = protocol.announces ? put(world.pending, `${name}.${state.attempt}`, needs) : world.pending
      return { label, pending, process: go() }
    }
    case 'list-condemned':
      return { label, process: go(Object.values(world.condemned).flat()) }
    case 'list-objects':
      // A pin looks for the record of a live backup alone: then what that reaches is there, too.
      if (process.kind === 'pin')
        return { label, process: go(world.forgotten.includes('b') ? [] : [...needs, ...world.objects]) }
      return { label, process: go([...world.objects, ...(protocol.reusesNames && state.attempt > 1 ? needs : [])]) }
    case 'store-again': {
      const again = state.lost.map((key, n) => (protocol.reusesNames ? key : `packs/${name}${state.attempt + 1}${n}`))
      const kept = needs.filter((key) => !state.lost.includes(key))
      return { label, process: go([], { needs: [...kept, ...again], store: again }) }
    }
    case 'ready':
      return { label, ready: add(world.ready, name), process: go() }
    case 'await-ready': {
      const announced = Object.keys(world.pending).map((announcement) => announcement.split('.')[0] ?? '')
      const here = protocol.awaitsReady ? world.ready : announced
      const missing = ['s0', 's1'].filter((node) => !here.includes(node))
      return missing.length > 0 ? undefined : { label, process: go(missing) }
    }
    case 'commit':
      if (protocol.dropsEarly && Object.keys(world.pending).some((one) => setOf(one.split('.')[0] ?? '') === name))
        return { label: 'drop too early', ...drop(world, name), process }
      return { label, ...commit(world, process, needs), ...report(world, go()) }
    case 'check-revoked': {
      const mine = Object.keys(world.pending)
        .concat(world.revoked)
        .filter((one) => setOf(one.split('.')[0] ?? '') === setOf(name))
      const checked = protocol.checksAll ? mine : mine.filter((one) => one.startsWith('s0'))
      const seen = checked.filter((one) => world.revoked.includes(one))
      return { label, ...report(world, go(seen)) }
    }
    case 'withdraw':
      return { label, ...withdraw(world, process), process: go() }
    case 'drop':
      return { label, ...drop(world, name), process: go() }
    case 'end':
      return undefined
  }
}

/** Its maker is told that it succeeded as soon as the next step is to clear up. */
function report(world: World, after: Committer): Pick<World, 'reported'> & { readonly process: Committer } {
  const done = after.state.at === 'drop' && after.state.outcome === 'committed'
  return {
    process: after,
    reported: done ? add(world.reported, after.kind === 'undo' ? 'b' : after.name) : world.reported,
  }
}

function commit(world: World, { kind, name }: Committer, needs: readonly string[]): Partial<World> {
  switch (kind) {
    case 'backup':
      return { backups: put(world.backups, name, needs), objects: add(world.objects, `backups/${name}`) }
    case 'pin':
      return { pins: put(world.pins, name, needs) }
    case 'undo':
      return { forgotten: without(world.forgotten, 'b') }
  }
}

function withdraw(world: World, { kind, name }: Committer): Partial<World> {
  switch (kind) {
    case 'backup':
      return { forgotten: add(world.forgotten, name) }
    case 'pin':
      return { pins: remove(world.pins, [name]) }
    case 'undo':
      return { forgotten: add(world.forgotten, 'b') }
  }
}

function drop(world: World, name: string): Partial<World> {
  const mine = Object.keys(world.pending).filter((announcement) => setOf(announcement.split('.')[0] ?? '') === name)
  return { pending: remove(world.pending, mine) }
}

/** The coordinator of a set commits what its nodes announced last. */
function needsOfSet(world: World): readonly string[] {
  const nodes = world.processes.filter(
    (process): process is Committer => process.kind === 'backup' && process.role === 'node',
  )
  return [...new Set(nodes.flatMap((node) => node.needs))].sort()
}

function setOf(name: string): string {
  return name === 's0' || name === 's1' ? 's' : name
}

function collectorStep(world: World, process: Collector, protocol: Protocol): Change | undefined {
  const { state, name, passes } = process
  const go = (seen: Iterable<string> = []): Collector => ({
    ...process,
    state: protocol.nextCollect(state, new Set(seen)),
  })
  const announced = () => [...Object.values(world.pending), ...Object.values(world.pins)].flat()
  const live = () =>
    Object.entries(world.backups)
      .filter(([id]) => world.objects.includes(`backups/${id}`) && !world.forgotten.includes(id))
      .flatMap(([id, keys]) => [`backups/${id}`, ...keys])
  const own = `${name}.${passes}`
  const label = state.at
  switch (state.at) {
    case 'list-candidates': {
      const records = world.objects.filter(
        (key) => key.startsWith('backups/') && world.forgotten.includes(key.slice(8)),
      )
      return { label, process: go([...world.objects.filter((key) => key.startsWith('packs/')), ...records]) }
    }
    case 'list-announced':
    case 'look-announced':
      return { label, process: go(announced()) }
    case 'list-backups':
    case 'look-backups':
      return { label, process: go(live()) }
    case 'condemn': {
      const others = new Set(Object.values(world.condemned).flat())
      const adopted = protocol.adopts && state.dead.every((key) => others.has(key))
      return { label, condemned: adopted ? world.condemned : put(world.condemned, own, state.dead), process: go() }
    }
    case 'sweep': {
      // Deleting many objects is many steps: packs first, records of backups after them.
      const [first, ...rest] = state.dead.toSorted().toReversed()
      if (first === undefined) return { label, process: go() }
      const objects = world.objects.filter((key) => key !== first)
      return { label: `DELETE ${first}`, objects, process: { ...process, state: { at: 'sweep', dead: rest } } }
    }
    case 'close':
      return { label, condemned: remove(world.condemned, [own]), process: go() }
    case 'end':
      return passes > 1
        ? { label: 'again', process: { ...process, passes: passes - 1, state: beginCollect } }
        : undefined
  }
}

function add(names: readonly string[], name: string): readonly string[] {
  return names.includes(name) ? names : [...names, name].sort()
}

function without(names: readonly string[], name: string): readonly string[] {
  return names.filter((other) => other !== name)
}

function put(record: Named, name: string, keys: readonly string[]): Named {
  return Object.fromEntries(Object.entries({ ...record, [name]: keys }).sort(([a], [b]) => (a < b ? -1 : 1)))
}

function remove(record: Named, names: readonly string[]): Named {
  return Object.fromEntries(Object.entries(record).filter(([name]) => !names.includes(name)))
}
