import { spawnSync } from 'node:child_process'
import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { BackupSummary } from '../../src/core/manifest.ts'
import { parseSelector } from '../../src/core/selector.ts'
import { prepareCopy } from '../../src/operations/copy.ts'
import { prepareDrill } from '../../src/operations/drill.ts'
import { status } from '../../src/operations/status.ts'
import type { Status, StatusOptions } from '../../src/operations/status.ts'
import type { Repository } from '../../src/repository/repository.ts'
import { openRepository } from '../../src/repository/repository.ts'
import { fileStorage } from '../../src/storage/file.ts'
import { flipByte, restoreByte } from '../helpers/damage.ts'
import { workbench } from '../helpers/workbench.ts'
import type { TestContext, TestEngine, Workbench } from '../helpers/workbench.ts'

const HOUR = 3600

let bench: Workbench
let engine: TestEngine
let repository: Repository
let ctx: TestContext
let first: BackupSummary

beforeAll(async () => {
  bench = await workbench()
  engine = await bench.engine('source')
  repository = await bench.repository('repository', { suite: 'none' })
  ctx = bench.context(engine, repository)
  await engine.run(
    'CREATE DATABASE shop',
    'CREATE TABLE shop.orders (id UInt64) ENGINE = MergeTree ORDER BY id',
    'INSERT INTO shop.orders SELECT number FROM numbers(1000)',
    'CREATE TABLE shop.people (id UInt64) ENGINE = MergeTree ORDER BY id',
  )
})
afterAll(() => bench[Symbol.asyncDispose]())

/** @param later hours from now */
function stands(later = 0, options: Partial<StatusOptions> = {}): Promise<Status> {
  const clock = () => new Date(Date.now() + later * HOUR * 1000)
  return status({ repository, clock }, { maxAge: 26 * HOUR, maxDrillAge: 8 * 24 * HOUR, copies: [], ...options })
}

async function drill(checks: readonly string[] = []): Promise<void> {
  const scratch = join(bench.directory, 'scratch')
  const options = { backup: first, selector: parseSelector([]), checks, scratch }
  await (await prepareDrill(ctx, options)).run()
}

describe('the status of a repository', () => {
  it('that is empty is that nothing could be restored, and that nobody drilled', async () => {
    expect((await stands()).problems).toEqual([
      'there is no good backup: nothing could be restored',
      'there was no drill yet',
    ])
  })

  it('with a backup says what would be lost, and that a drill is missing', async () => {
    first = (await ctx.backup()).summary
    const found = await stands(1)
    expect(found).toMatchObject({ backups: 1, proven: 0, lastGood: { id: first.id }, oldestUnproven: { id: first.id } })
    expect(found.lastGood?.seconds).toBeGreaterThanOrEqual(HOUR)
    expect(found.tables.map(({ table, overdue }) => [table, overdue])).toEqual([
      ['shop.orders', false],
      ['shop.people', false],
    ])
    expect(found.problems).toEqual(['there was no drill yet'])
  })

  it('with a drill says how long a restore would take, and is without a problem', async () => {
    await drill()
    const found = await stands()
    expect(found).toMatchObject({ proven: 1, lastProven: { id: first.id }, lastDrill: { result: 'ok', whole: true } })
    expect(found.restoreSeconds).toBeGreaterThan(0)
    expect(found.tables.map(({ drillPassed }) => drillPassed)).toEqual([true, true])
    expect(found.problems).toEqual([])
  })

  it('is a problem when backups or drills stay away', async () => {
    expect((await stands(27)).problems).toEqual([
      expect.stringMatching(/^the last good backup is 27 h 0 min old/),
      expect.stringMatching(/^2 tables had no good backup for more than 26 h 0 min: shop\.\w+ of /),
    ])
    expect((await stands(9 * 24, { maxAge: 365 * 24 * HOUR })).problems).toEqual(['the last drill was 216 h 0 min ago'])
  })

  it('is judged table by table: one that is no longer backed up is overdue, however new the last backup is', async () => {
    const { summary } = await ctx.backup({ tables: ['shop.orders'] })
    const later = Date.parse(summary.started) - Date.parse(first.started)
    const { tables, lastGood } = await stands(0, { maxAge: later / 2000 })
    expect(lastGood?.id).toBe(summary.id)
    expect(tables.find(({ table }) => table === 'shop.people')).toMatchObject({ overdue: true, backup: first.id })
  })

  it('has copies that lack the last good backup, have it, or do not answer', async () => {
    const copy = await bench.repository('copy', { suite: 'none' })
    const place = { location: 'there', open: async () => copy }
    const gone = {
      location: 'gone',
      open: () => openRepository(fileStorage(join(bench.directory, 'no')), { purpose: 'read', secret: undefined }),
    }
    expect((await stands(0, { copies: [place, gone] })).problems).toEqual([
      'there lacks the last good backup',
      expect.stringMatching(/^gone does not answer: /),
    ])
    const { id } = (await stands()).lastGood ?? { id: '' }
    await (await prepareCopy({ ...ctx, source: repository, target: copy }, [id])).run()
    expect(await stands(0, { copies: [place] })).toMatchObject({
      problems: [],
      copies: [{ backups: 1, upToDate: true }],
    })
  })

  it('is bad when a drill failed or damage is known', async () => {
    await drill(['SELECT 0'])
    expect((await stands()).problems).toEqual([`the last drill, of ${first.id}, did not pass`])
    const root = join(bench.directory, 'repository', 'packs')
    const packs = readdirSync(root, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
    const flips = packs.map((entry) => flipByte(join(entry.parentPath, entry.name)))
    await ctx.verify([first.id], 'content')
    for (const flip of flips) restoreByte(flip)
    expect((await stands()).problems).toContain(`backup ${first.id} is damaged`)
  })
})

describe('status --check', () => {
  it('exits with 3 when something is wrong, and else with 0; without --check always with 0', async () => {
    const main = join(import.meta.dirname, '../../src/cli/main.ts')
    const config = join(bench.directory, 'config.yaml')
    const run = (url: string, ...args: readonly string[]) => {
      writeFileSync(config, `repository: { url: "file://${join(bench.directory, url)}" }`)
      return spawnSync(process.execPath, [main, '-c', config, 'status', ...args], { encoding: 'utf8' })
    }
    expect(run('repository', '--check').status).toBe(3)
    const shown = run('repository')
    expect(shown.status).toBe(0)
    expect(shown.stdout).toMatch(/^I could restore: \S+, now\n {2}loses .*\n {2}takes {7}about .*, by the last drill\n/)
    await ctx.verify([first.id], 'content')
    await drill()
    const good = run('repository', '--check', '--json')
    expect(good.status).toBe(0)
    expect(JSON.parse(good.stdout)).toMatchObject({ problems: [], lastDrill: { result: 'ok' } })
  })
})
