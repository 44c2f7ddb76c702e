import { cpSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { preparePrune } from '../../src/operations/prune.ts'
import { listBackups } from '../../src/repository/backups.ts'
import { openRepository } from '../../src/repository/repository.ts'
import { fileStorage } from '../../src/storage/file.ts'
import { fingerprint, workbench } from '../helpers/workbench.ts'
import type { Workbench } from '../helpers/workbench.ts'

const root = dirname(fileURLToPath(import.meta.url))
const goldens = readdirSync(root, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .flatMap((version) => readdirSync(join(root, version.name)).map((name) => `${version.name}/${name}`))

interface Expected {
  readonly secret?: string
  readonly backups: readonly {
    readonly id: string
    readonly tables: readonly {
      readonly database: string
      readonly name: string
      readonly print: Record<string, string>
    }[]
  }[]
}

let bench: Workbench
beforeAll(async () => {
  bench = await workbench()
})
afterAll(() => bench[Symbol.asyncDispose]())

it('there are repositories of every version', () => expect(goldens.length).toBeGreaterThanOrEqual(5))

describe.each(goldens)('the repository %s', (golden) => {
  it('is read, verified, restored, written to and collected by this version', async () => {
    const expected = JSON.parse(readFileSync(join(root, golden, 'expected.json'), 'utf8')) as Expected
    const copy = join(bench.directory, golden.replaceAll('/', '-'))
    cpSync(join(root, golden, 'repository'), copy, { recursive: true })
    const repository = await openRepository(fileStorage(copy), { secret: expected.secret, purpose: 'collect' })
    const engine = await bench.engine(`engine-${golden.replaceAll('/', '-')}`)
    const ctx = bench.context(engine, repository)
    const listed = await listBackups(repository)
    expect(listed.map(({ id }) => id)).toEqual(expected.backups.map(({ id }) => id))
    for (const { id, tables } of expected.backups) {
      expect((await ctx.verify([id], 'content')).findings).toEqual([])
      const found = listed.find((one) => one.id === id)
      if (found?.outcome !== 'read') throw new Error(`${id} does not read`)
      await ctx.restore(found.summary)
      for (const { print, ...table } of tables) expect(await fingerprint(engine, table)).toEqual(print)
      await engine.run('DROP DATABASE g SYNC')
    }
    await engine.run(
      'CREATE DATABASE n',
      'CREATE TABLE n.t (k UInt8) ENGINE = MergeTree ORDER BY k',
      'INSERT INTO n.t VALUES (1)',
    )
    const { summary } = await ctx.backup({ tables: ['n.*'] })
    await (await preparePrune(ctx, { minAge: 0 })).run()
    expect((await ctx.verify([summary.id, ...expected.backups.map(({ id }) => id)], 'content')).findings).toEqual([])
  })
})
