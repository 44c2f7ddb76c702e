import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { diffTables } from '../../src/core/diff.ts'
import type { ComparedTable } from '../../src/core/diff.ts'
import { parseSelector } from '../../src/core/selector.ts'
import { diffBackups, diffLive } from '../../src/operations/diff.ts'
import { repositoryInfo } from '../../src/operations/repo-info.ts'
import type { Repository } from '../../src/repository/repository.ts'
import { workbench } from '../helpers/workbench.ts'
import type { TestContext, TestEngine, Workbench } from '../helpers/workbench.ts'

let bench: Workbench
let engine: TestEngine
let repository: Repository
let ctx: TestContext

beforeAll(async () => {
  bench = await workbench()
  engine = await bench.engine('engine')
  repository = await bench.repository('repository')
  ctx = bench.context(engine, repository)
  await engine.run(
    'CREATE DATABASE d',
    'CREATE TABLE d.same (k UInt64) ENGINE = MergeTree ORDER BY k',
    'INSERT INTO d.same SELECT number FROM numbers(10)',
    'CREATE TABLE d.t (k UInt64) ENGINE = MergeTree PARTITION BY k % 3 ORDER BY k',
    'INSERT INTO d.t SELECT number FROM numbers(30)',
    'CREATE TABLE d.old AS d.same',
    'CREATE TABLE d.going AS d.same',
    'INSERT INTO d.going VALUES (1)',
  )
})
afterAll(() => bench[Symbol.asyncDispose]())

describe('diff', () => {
  it('tells what became of every table, between backups and since a backup', async () => {
    const selector = parseSelector(['d.*'])
    const first = (await ctx.backup({ tables: ['d.*'] })).summary.id
    expect((await diffLive(ctx, { before: first, selector })).every(({ change }) => change === 'same')).toBe(true)
    await engine.run(
      "ALTER TABLE d.t DROP PARTITION '0'",
      'INSERT INTO d.t SELECT 1 FROM numbers(5)',
      'ALTER TABLE d.t ADD COLUMN v String',
      'RENAME TABLE d.old TO d.renamed',
      'DROP TABLE d.going SYNC',
      'CREATE TABLE d.new AS d.same',
      'INSERT INTO d.new VALUES (7)',
    )
    const live = await diffLive(ctx, { before: first, selector })
    const second = (await ctx.backup({ tables: ['d.*'] })).summary.id
    const stored = await diffBackups(repository, { before: first, after: second, selector })
    for (const diffs of [live, stored]) {
      expect(diffs.map(({ name, change }) => [name, change])).toEqual([
        ['going', 'dropped'],
        ['new', 'added'],
        ['renamed', 'changed'],
        ['same', 'same'],
        ['t', 'changed'],
      ])
      const t = diffs.at(-1)
      expect(t).toMatchObject({ rows: -5, definition: { removed: [], added: ['v String'] } })
      expect(t?.partitions.map(({ id, change, added, removed }) => [id, change, added.length, removed.length])).toEqual(
        [
          ['0', 'dropped', 0, 1],
          ['1', 'changed', 1, 0],
        ],
      )
      expect(diffs[2]?.renamedFrom).toEqual({ database: 'd', name: 'old' })
    }
  })

  const part = fc.record({
    name: fc.constantFrom('a', 'b', 'c', 'd'),
    identity: fc.constantFrom('x', 'y'),
    rows: fc.nat(9),
    bytes: fc.nat(9),
  })
  const parts = fc.uniqueArray(part, { selector: ({ name }) => name, minLength: 1 })
  const table = fc
    .record({ name: fc.constantFrom('t', 'u', 'v'), parts })
    .map(({ name, parts: list }): ComparedTable => ({
      database: 'd',
      name,
      create: '',
      partitions: new Map([['p', list]]),
    }))
  const tables = fc.uniqueArray(table, { selector: ({ name }) => name })

  it('of a thing with itself is nothing; the other way round it is the mirror; and its parts make one out of the other', () => {
    fc.assert(
      fc.property(tables, tables, (a, b) => {
        expect(diffTables(a, a).every(({ change }) => change === 'same')).toBe(true)
        const there = diffTables(a, b)
        const back = diffTables(b, a)
        const mirror = { added: 'dropped', dropped: 'added', changed: 'changed', same: 'same' }
        expect(back.map(({ change }) => change)).toEqual(there.map(({ change }) => mirror[change]))
        for (const diff of there) {
          const find = (list: readonly ComparedTable[]) =>
            list.find(({ name }) => name === diff.name)?.partitions.get('p') ?? []
          const key = (one: { readonly name: string; readonly identity: string }) => `${one.name} ${one.identity}`
          const removed = new Set(diff.partitions.flatMap((one) => one.removed.map(key)))
          const made = [
            ...find(a)
              .map(key)
              .filter((one) => !removed.has(one)),
            ...diff.partitions.flatMap((one) => one.added.map(key)),
          ]
          expect(made.toSorted()).toEqual(find(b).map(key).toSorted())
        }
      }),
    )
  })
})

it('repo info counts what is stored, and what nobody reaches', async () => {
  const info = await repositoryInfo(repository, new Date())
  expect(info).toMatchObject({ backups: 2, suite: 'aes-256-gcm', deadBytes: 0 })
  expect(info.dedup).toBeGreaterThan(0)
  expect(Object.keys(info.growth)).toHaveLength(1)
  expect(info.packs).toBeGreaterThan(0)
})
