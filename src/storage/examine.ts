import { setImmediate, setTimeout as sleep } from 'node:timers/promises'
import pLimit from 'p-limit'
import type { Check } from '../core/check.ts'
import { hasCode, toPermafrostError } from '../core/errors.ts'
import { formatSeconds, plural } from '../core/units.ts'
import { stopwatch } from './stopwatch.ts'
import type { Stopwatch } from './stopwatch.ts'
import type { Storage } from './storage.ts'

/** A store, seen through two connections. */
export interface StoreToExamine {
  readonly first: Storage
  readonly second: Storage
  /** Ends with a slash; nothing outside is written or deleted, and it is empty again afterwards. */
  readonly scratch: string
  readonly random: (size: number) => Uint8Array
  readonly clock: () => Date
  readonly signal: AbortSignal
}

/** What the protocol wants to know of a store. */
export interface Learned {
  /** Whether the store itself lets one of many that create a name win: it says so, and was seen to. */
  readonly atomicCreate: boolean
  /** Seconds until a list showed what had been put; 0 when at once. */
  readonly listLag: number
}

export interface Examination {
  readonly checks: readonly Check[]
  readonly learned: Learned
}

interface Bench extends StoreToExamine {
  readonly watch: Stopwatch
  readonly learned: { -readonly [K in keyof Learned]: Learned[K] }
  readonly key: (name: string) => string
}

/** A look: says what holds, or what does not. */
type Look = (bench: Bench) => Promise<Omit<Check, 'name'>>

/** More than a page of any store's list. */
const MANY = 1100
const RACERS = 8
const LARGE = 8 << 20
/** Seconds that a list is waited for. */
const PATIENCE = 60
/** Seconds of difference to the store's clock that nobody need care about. */
const SKEW = 300

/** Each with what depends on it. */
const LOOKS: readonly (readonly [name: string, look: Look])[] = [
  ['write and read', writeAndRead],
  ['ranges', ranges],
  ['whole objects', wholeObjects],
  ['create once', createOnce],
  ['read after write', readAfterWrite],
  ['list after write', listAfterWrite],
  ['pages of a list', pages],
  ['clock', clockOfStore],
  ['delete', deleteTwice],
  ['latency', latency],
]

/**
 * Try on a real store what every adapter promises (storage.ts): the questions of the contract suite, asked where the backups
 * will lie. One look that fails does not hide the others.
 */
export async function examineStorage(store: StoreToExamine): Promise<Examination> {
  const learned = { atomicCreate: true, listLag: 0 }
  const watch = stopwatch(store.clock)
  const first = watch.storage(store.first)
  const bench: Bench = { ...store, first, watch, learned, key: (name) => store.scratch + name }
  const checks: Check[] = []
  for (const [name, look] of LOOKS) {
    store.signal.throwIfAborted()
    try {
      checks.push({ name, ...(await look(bench)) })
    } catch (error) {
      const { code, message, hint } = toPermafrostError(error)
      checks.push({ name, status: 'failed', message, code, ...(hint.length > 0 && { hint }) })
      // Whoever may not even write or read has nothing more to learn.
      if (name === LOOKS[0]?.[0]) break
    }
  }
  await clear(bench)
  return { checks, learned }
}

async function writeAndRead({ first, key, random }: Bench): Promise<Omit<Check, 'name'>> {
  const body = random(1024)
  await first.put(key('one'), body, { ifAbsent: true })
  if (!same(await first.get(key('one')), body)) return broken('what is read is not what was written')
  if (await first.get(key('never'))) return broken('there is an object that nobody wrote')
  return ok('objects come back as they were written')
}

async function ranges({ first, key, random }: Bench): Promise<Omit<Check, 'name'>> {
  const body = random(1000)
  await first.put(key('ranges'), body)
  const cases = [
    [0, 10],
    [990, 100],
    [500, 1],
    [1000, 5],
  ] as const
  for (const [offset, length] of cases) {
    const part = await first.get(key('ranges'), { range: { offset, length } })
    if (!same(part, body.subarray(offset, offset + length)))
      return broken(`bytes ${offset} to ${offset + length} are wrong`)
  }
  return ok('any stretch of an object can be read: a restore fetches no more than it needs')
}

/** A reader sees nothing, or all of it: of a large object, while it is written. */
async function wholeObjects({ first, second, key, random }: Bench): Promise<Omit<Check, 'name'>> {
  const body = new Uint8Array(LARGE)
  body.set(random(1024))
  const put = first.put(key('large'), body).then(() => 'written' as const)
  let torn: number | undefined
  const look = async () => {
    const seen = await second.head(key('large'))
    if (seen && seen.size !== LARGE) torn = seen.size
  }
  // One look after another, until it is written; each gives way to what the store has to do meanwhile.
  while ((await Promise.race([put, look().then(() => setImmediate('looked' as const))])) !== 'written');
  if (torn !== undefined) return broken(`a reader saw ${torn} of ${LARGE} bytes of an object that was being written`)
  if (!same(await second.get(key('large')), body)) return broken('an object of 8 MiB is not what was written')
  return ok('a reader sees nothing of an object, or all of it')
}

async function createOnce({ first, second, key, learned }: Bench): Promise<Omit<Check, 'name'>> {
  const bodies = Array.from({ length: RACERS }, (_, n) => Buffer.from(`writer ${n}`))
  const outcomes = await Promise.all(
    bodies.map((body, n) => (n % 2 === 0 ? first : second).put(key('raced'), body, { ifAbsent: true })),
  )
  const again = await first.put(key('raced'), Buffer.from('late'), { ifAbsent: true })
  const kept = await second.get(key('raced'))
  const winners = outcomes.filter((outcome) => outcome === 'created').length
  const right = winners === 1 && again === 'exists' && same(kept, bodies[outcomes.indexOf('created')])
  // One race that went well is no promise.
  learned.atomicCreate = right && first.traits.atomicCreate
  if (learned.atomicCreate) return ok(`of ${RACERS} writers of one name one wins, and it is never overwritten`)
  return {
    status: 'warning',
    message: `the store does not create a name once: ${plural(winners, 'writer')} of ${RACERS} won`,
    hint: ['names are random, so this loses nothing; let nothing but Permafrost write here'],
  }
}

async function readAfterWrite({ first, second, key, random }: Bench): Promise<Omit<Check, 'name'>> {
  for (let n = 0; n < 10; n++) {
    const body = random(100)
    await first.put(key(`read-${n}`), body)
    if (!same(await second.get(key(`read-${n}`)), body))
      return broken('an object that was written is not there for another connection')
  }
  return ok('what is written can be read at once, by another connection')
}

async function listAfterWrite({ first, second, key, learned, clock, signal }: Bench): Promise<Omit<Check, 'name'>> {
  for (let n = 0; n < 5; n++) {
    await first.put(key(`list-${n}`), Buffer.from('x'))
    const written = clock().getTime()
    while (!(await keysOf(second, key('list-'))).includes(key(`list-${n}`))) {
      const waited = (clock().getTime() - written) / 1000
      learned.listLag = Math.max(learned.listLag, waited, 1)
      if (waited > PATIENCE) return broken(`an object was not in the list ${PATIENCE} s after it was written`)
      await sleep(200, undefined, { signal })
    }
  }
  if (learned.listLag === 0) return ok('what is written is in the next list, of another connection')
  return {
    status: 'warning',
    message: `a list lags ${formatSeconds(learned.listLag)} behind what is written`,
    hint: ['prune waits between its two looks for that'],
  }
}

async function pages({ first, second, key, signal }: Bench): Promise<Omit<Check, 'name'>> {
  const limit = pLimit(first.traits.connections)
  const names = Array.from({ length: MANY }, (_, n) => key(`many/${String(n).padStart(4, '0')}`))
  await Promise.all(names.map((name) => limit(() => first.put(name, Buffer.from('x'), { signal }))))
  const listed = await keysOf(second, key('many/'))
  if (listed.length !== MANY || listed.some((name, n) => name !== names[n]))
    return broken(`a list of ${MANY} objects has ${listed.length}, or another order`)
  return ok(`a list goes on after a thousand objects, in order`)
}

async function clockOfStore({ first, key, clock }: Bench): Promise<Omit<Check, 'name'>> {
  await first.put(key('clock'), Buffer.from('x'))
  const now = clock()
  for await (const { modified } of first.list(key('clock'))) {
    if (!modified) break
    const skew = Math.abs(now.getTime() - modified.getTime()) / 1000
    if (skew <= SKEW) return ok('the store’s clock and this machine’s agree')
    return {
      status: 'warning',
      message: `the store’s clock and this machine’s differ by ${formatSeconds(skew)}`,
      hint: [
        'nothing is lost by it: prune may take young packs for old ones, and writers store them again',
        'set the clocks',
      ],
    }
  }
  return ok('the store does not tell when an object was written; prune goes by what is announced')
}

/** An agent that only makes backups needs no right to delete: whoever steals its key cannot destroy them either. */
async function deleteTwice({ first, second, key }: Bench): Promise<Omit<Check, 'name'>> {
  await first.put(key('deleted'), Buffer.from('x'))
  try {
    await first.delete([key('deleted'), key('never')])
    await first.delete([key('deleted')])
  } catch (error) {
    if (!hasCode(error, 'UNAUTHORIZED')) throw error
    return ok('these credentials may not delete: whoever steals them cannot destroy backups. Prune elsewhere')
  }
  if (await second.get(key('deleted'))) return broken('an object that was deleted is still there')
  return ok('deletes hold, and may be repeated. An agent that only makes backups could do without this right')
}

async function latency({ watch }: Bench): Promise<Omit<Check, 'name'>> {
  const text = watch.calls().map(({ call, median, slow }) => `${call} ${median} ms (95 %: ${slow} ms)`)
  return ok(`as measured: ${text.join(', ')}`)
}

async function clear({ first, scratch, signal }: Bench): Promise<void> {
  const left = await keysOf(first, scratch).catch(() => [])
  for (let at = 0; at < left.length; at += 1000) {
    await first.delete(left.slice(at, at + 1000), { signal }).catch((error: unknown) => {
      if (!hasCode(error, 'UNAUTHORIZED')) throw error
    })
  }
}

async function keysOf(storage: Storage, prefix: string): Promise<readonly string[]> {
  const keys: string[] = []
  for await (const { key } of storage.list(prefix)) keys.push(key)
  return keys
}

function same(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  return a !== undefined && b !== undefined && Buffer.from(a.buffer, a.byteOffset, a.length).equals(b)
}

function ok(message: string): Omit<Check, 'name'> {
  return { status: 'ok', message }
}

function broken(message: string): Omit<Check, 'name'> {
  return {
    status: 'failed',
    code: 'STORAGE_UNAVAILABLE',
    message,
    hint: ['do not keep backups here before this is understood'],
  }
}
