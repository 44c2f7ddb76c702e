import { randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { PermafrostError } from '../../src/core/errors.ts'
import { layout } from '../../src/core/layout.ts'
import { parseSelector } from '../../src/core/selector.ts'
import { pin } from '../../src/operations/pin.ts'
import { preparePrune } from '../../src/operations/prune.ts'
import { verify } from '../../src/operations/verify.ts'
import { backupIds, listBackups } from '../../src/repository/backups.ts'
import { forget } from '../../src/repository/forgotten.ts'
import { makeKeyFile } from '../../src/repository/keys.ts'
import { announce, condemn } from '../../src/repository/marks.ts'
import { initRepository, openRepository } from '../../src/repository/repository.ts'
import { memoryStorage } from '../../src/storage/memory.ts'
import { keysOf, workbench } from '../helpers/workbench.ts'
import type { TestEngine, Workbench } from '../helpers/workbench.ts'

// Every kind of object, damaged in every way, looked at on every level. The table of it stands in the docs, and is compared
// with what happens: PERMAFROST_UPDATE=1 writes it anew.

const DOCS = fileURLToPath(new URL('../../docs/verify.md', import.meta.url))
const random = (size: number) => randomBytes(size)
const secret = makeKeyFile(random)

type Objects = Map<string, Uint8Array<ArrayBuffer>>
let bench: Workbench
let engine: TestEngine
let whole: Objects
let ids: readonly string[]

/** Two backups that share a table, and one of everything else that a repository may hold. */
beforeAll(async () => {
  bench = await workbench()
  engine = await bench.engine('engine')
  await engine.run(
    'CREATE DATABASE m',
    'CREATE TABLE m.a (k UInt64, v String) ENGINE = MergeTree ORDER BY k',
    'CREATE TABLE m.b (k UInt64) ENGINE = MergeTree ORDER BY k',
    'INSERT INTO m.a SELECT number, randomString(20) FROM numbers(500)',
    'INSERT INTO m.b SELECT number FROM numbers(500)',
  )
  whole = new Map()
  const storage = memoryStorage(whole)
  await initRepository(storage, { suite: 'aes-256-gcm', secret, packTarget: 1 << 20, at: new Date(), random })
  const ctx = await context(whole)
  const first = (await ctx.backup({ tables: ['m.a'] })).summary.id
  const second = (await ctx.backup({ tables: ['m.a', 'm.b'] })).summary.id
  ids = [first, second]
  const at = new Date().toISOString()
  const { repository } = ctx
  await pin(ctx, { backup: second, reason: 'hold', until: new Date(Date.now() + 1e9) })
  await forget(
    repository,
    { backup: '20200101T000000Z-aaaaaa', by: 'x', at, reason: 'x', notBefore: '2099-01-01T00:00:00.000Z' },
    random,
  )
  await announce(repository, { name: `${'0'.repeat(32)}.1`, at, blocks: [] }, random)
  await condemn(repository, { id: '1'.repeat(32), at, objects: [layout.packs.key('2'.repeat(64))] }, random)
  await ctx.verify([second], 'content')
})
afterAll(() => bench[Symbol.asyncDispose]())

async function context(objects: Objects) {
  const repository = await openRepository(memoryStorage(objects), { secret, purpose: 'read' })
  return bench.context(engine, repository, { limits: { workers: 0, memory: 64 << 20 } })
}

const KINDS: readonly (readonly [string, string])[] = [
  ['format.json', layout.format],
  ['a key slot, the only one', layout.keys.slots],
  ['a session’s key', 'keys/'],
  ['a data pack', layout.packs.prefix],
  ['a meta pack', layout.meta.prefix],
  ['a backup’s record', layout.backups.prefix],
  ['a mark of a forget', layout.forgotten.prefix],
  ['an announcement', layout.pending.prefix],
  ['a condemned record', layout.condemned.prefix],
  ['a pin', layout.pins.prefix],
  ['an attestation', layout.attest.prefix],
]

type Damage = (bytes: Uint8Array<ArrayBuffer>, sibling: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer> | undefined
const flipped =
  (share: number): Damage =>
  (bytes) => {
    const copy = Uint8Array.from(bytes)
    const at = Math.min(copy.length - 1, Math.floor(copy.length * share))
    copy[at] = (copy[at] ?? 0) ^ 0x10
    return copy
  }
const DAMAGES: readonly (readonly [string, Damage])[] = [
  ['missing', () => undefined],
  ['empty', () => new Uint8Array(0)],
  ['cut short', (bytes) => bytes.slice(0, -1)],
  ['a bit flipped at its begin', flipped(0.01)],
  ['in its middle', flipped(0.5)],
  ['at its end', flipped(0.99)],
  ['exchanged with another', (_bytes, sibling) => sibling],
]

const findKey = (prefix: string): string => {
  // The first that was written.
  const isOne = (key: string) => key.startsWith(prefix) && (prefix !== 'keys/' || !key.startsWith(layout.keys.slots))
  return [...whole.keys()].find(isOne) ?? ''
}

/** What looking at it says: `found` when it says that something is wrong. */
async function look(work: () => Promise<readonly unknown[]>): Promise<'found' | '–'> {
  try {
    return (await work()).length > 0 ? 'found' : '–'
  } catch (error) {
    // Anything but an error with a code of ours would be a crash.
    if (error instanceof PermafrostError && error.code !== 'INTERNAL') return 'found'
    throw error
  }
}

interface Row {
  readonly levels: readonly string[]
  readonly prune: string
  readonly lost: string
}

async function examine(objects: Objects): Promise<Row> {
  const verified = async (id: string, level: 'inventory' | 'scrub' | 'content') => {
    const ctx = await context(new Map(objects))
    const options = { backups: [id], level, selector: parseSelector([]), record: false }
    return (await verify(ctx, options)).findings.filter(({ severity }) => severity === 'damage')
  }
  const levels: string[] = []
  let broken = 0
  for (const level of ['inventory', 'scrub', 'content'] as const) {
    // One after another: the memory in which files are hashed is there once on a thread.
    const seen: string[] = []
    for (const id of ids) seen.push(await look(() => verified(id, level)))
    levels.push(seen.includes('found') ? 'found' : '–')
    if (level === 'content') broken = seen.filter((one) => one === 'found').length
  }
  const there = await look(async () => {
    const ctx = await context(new Map(objects))
    const listed = await listBackups(ctx.repository)
    return ids.filter((id) => !listed.some((one) => one.id === id && one.outcome === 'read'))
  })
  const lost =
    broken === 0
      ? there === 'found'
        ? 'not listed'
        : 'nothing'
      : broken === ids.length
        ? 'what it held'
        : 'one backup'
  const prune = await look(async () => {
    const ctx = await context(new Map(objects))
    await (await preparePrune(ctx, { minAge: 0, few: 0 })).run()
    expect((await backupIds(ctx.repository)).length).toBeLessThanOrEqual(ids.length)
    return []
  })
  return { levels, prune: prune === 'found' ? 'refuses' : 'goes on', lost }
}

function render(rows: ReadonlyMap<string, Row>): string {
  const lines = [...rows].map(
    ([name, { levels, prune, lost }]) => `| ${name} | ${levels.join(' | ')} | ${lost} | ${prune} |`,
  )
  return ['| damage | inventory | scrub | content | lost | prune |', '|---|---|---|---|---|---|', ...lines].join('\n')
}

const BEGIN = '<!-- every damage: written by test/engine/damage-matrix.test.ts -->\n'
const END = '\n<!-- end -->'

describe('every kind of object, damaged in every way', () => {
  it('is found on the level that the docs say, and costs what the docs say', async () => {
    const rows = new Map<string, Row>()
    for (const [kind, prefix] of KINDS) {
      const key = findKey(prefix)
      expect({ kind, key }).toEqual({ kind, key: expect.stringMatching(/./) })
      const bytes = whole.get(key) as Uint8Array<ArrayBuffer>
      const other = [...whole.keys()].find((one) => one !== key && one.split('/')[0] === key.split('/')[0])
      const sibling = whole.get(other ?? findKey(layout.backups.prefix)) as Uint8Array<ArrayBuffer>
      for (const [what, damage] of DAMAGES) {
        const objects: Objects = new Map(whole)
        const damaged = damage(bytes, sibling)
        if (damaged) objects.set(key, damaged)
        else objects.delete(key)
        rows.set(`${kind}: ${what}`, await examine(objects))
      }
    }
    const table = render(merge(rows))
    const docs = readFileSync(DOCS, 'utf8')
    const written = docs.slice(docs.indexOf(BEGIN) + BEGIN.length, docs.indexOf(END))
    const update = process.env['PERMAFROST_UPDATE'] !== undefined
    if (update) writeFileSync(DOCS, docs.split(BEGIN + written).join(BEGIN + table))
    expect(update ? table : written).toBe(table)
  }, 300_000)

  it('leaves nothing of the repository behind when it is whole', async () => {
    expect(await examine(new Map(whole))).toEqual({ levels: ['–', '–', '–'], prune: 'goes on', lost: 'nothing' })
    expect(await keysOf(memoryStorage(whole), layout.backups.prefix)).toHaveLength(2)
  })
})

/** Rows of one kind that say the same become one. */
function merge(rows: ReadonlyMap<string, Row>): ReadonlyMap<string, Row> {
  const groups = Map.groupBy(rows, ([name, row]) => JSON.stringify([name.split(': ')[0], row]))
  return new Map(
    [...groups.values()].map((group) => {
      const names = group.map(([name]) => name.split(': ')[1])
      return [`${group[0]?.[0].split(': ')[0]}: ${names.join(', ')}`, group[0]?.[1] as Row]
    }),
  )
}
