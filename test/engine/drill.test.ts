import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, renameSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { BackupSummary } from '../../src/core/manifest.ts'
import { parseSelector } from '../../src/core/selector.ts'
import type { Engine } from '../../src/engine/engine.ts'
import { prepareDrill } from '../../src/operations/drill.ts'
import type { DrillOptions, DrillResult } from '../../src/operations/drill.ts'
import { drillProblems } from '../../src/operations/drill-problems.ts'
import { readProofs } from '../../src/repository/attestations.ts'
import type { Repository } from '../../src/repository/repository.ts'
import { flipByte, restoreByte } from '../helpers/damage.ts'
import { canMount } from '../helpers/not-covered.ts'
import { childrenOf, engineIn, eventually } from '../helpers/scratch-engine.ts'
import { workbench } from '../helpers/workbench.ts'
import type { TestContext, TestEngine, Workbench } from '../helpers/workbench.ts'

let bench: Workbench
let engine: TestEngine
let repository: Repository
let ctx: TestContext
let backup: BackupSummary

beforeAll(async () => {
  bench = await workbench()
  engine = await bench.engine('source')
  repository = await bench.repository('repository', { suite: 'none' })
  ctx = bench.context(engine, repository)
  await engine.run(
    'CREATE DATABASE shop',
    'CREATE FUNCTION doubled AS (x) -> 2 * x',
    // Its TTL would remove every row at once, if the drill let it.
    `CREATE TABLE shop.orders (id UInt64, day Date, twice UInt64 DEFAULT doubled(id), note String) ENGINE = MergeTree
       PARTITION BY day ORDER BY id TTL day + INTERVAL 1 DAY`,
    'SYSTEM STOP TTL MERGES shop.orders',
    "INSERT INTO shop.orders (id, day, note) SELECT number, toDate('2020-01-01') + number % 3, randomString(200) FROM numbers(9000)",
    'CREATE TABLE shop.people (id UInt64, name String) ENGINE = ReplacingMergeTree ORDER BY id',
    'INSERT INTO shop.people SELECT number, toString(number) FROM numbers(100)',
    'CREATE VIEW shop.named AS SELECT o.id AS id, name FROM shop.orders AS o INNER JOIN shop.people AS p ON o.id = p.id',
    'CREATE TABLE shop.copies (id UInt64) ENGINE = MergeTree ORDER BY id',
    'CREATE MATERIALIZED VIEW shop.copy TO shop.copies AS SELECT id FROM shop.orders',
  )
  backup = (await ctx.backup()).summary
})
afterAll(() => bench[Symbol.asyncDispose]())

const scratch = () => join(bench.directory, 'scratch')

async function drill(options: Partial<DrillOptions> = {}, on: TestContext = ctx): Promise<DrillResult> {
  const all = { backup, selector: parseSelector([]), checks: [], scratch: scratch(), ...options }
  return (await prepareDrill(on, all)).run()
}

describe('a drill of a backup', () => {
  it('passes, measures each table, answers the user’s questions, and is written down', async () => {
    const checks = [
      'SELECT count() = 100 FROM shop.named',
      'SELECT count() = 9000, max(twice) = 17998 FROM shop.orders',
    ]
    const result = await drill({ checks })
    expect(drillProblems(result)).toEqual([])
    expect(result).toMatchObject({ passed: true, damaged: false, whole: true })
    expect(result.tables.map(({ table, parts, rows }) => [table, parts, rows])).toEqual([
      ['shop.copies', 0, 0],
      ['shop.orders', 3, 9000],
      ['shop.people', 1, 100],
    ])
    expect(result.checks.map((check) => check.result)).toEqual(['ok', 'ok'])
    expect(result.estimate).toBeCloseTo(result.restoreSeconds, 5)
    const { proven, drill: newest } = (await readProofs(repository)).get(backup.id) ?? {}
    expect(proven).toMatchObject({ level: 4, result: 'ok', whole: true })
    expect(newest?.drill?.tables).toHaveLength(3)
    const again = await drill({ selector: parseSelector(['shop.orders']) })
    expect(again).toMatchObject({ passed: true, whole: false })
    expect(again.tables[0]?.hash).toBe(result.tables[1]?.hash)
  })

  it('under a limit comes around to everything, one sample after another', async () => {
    const seen = new Set<string>()
    for (let run = 0; run < 6 && seen.size < 3; run++) {
      const { passed, whole, tables, checks } = await drill({ mostBytes: 1000, checks: ['SELECT 1'] })
      expect({ passed, whole, checks }).toEqual({
        passed: true,
        whole: false,
        checks: [{ sql: 'SELECT 1', result: 'skipped' }],
      })
      for (const { table } of tables) seen.add(table)
    }
    expect([...seen].sort()).toEqual(['shop.copies', 'shop.orders', 'shop.people'])
  })

  it('fails when a question of the user’s is not answered with true', async () => {
    const result = await drill({ checks: ['SELECT count() > 9000 FROM shop.orders', 'SELECT 1 FROM shop.nothing'] })
    expect(result).toMatchObject({ passed: false, damaged: false })
    expect(drillProblems(result)).toEqual([
      'check SELECT count() > 9000 FROM shop.orders: returned 0',
      expect.stringMatching(/^check SELECT 1 FROM shop\.nothing: ClickHouse said: Unknown table/),
    ])
    // What was proven by a drill is no longer.
    expect((await readProofs(repository)).get(backup.id)?.proven?.level).not.toBe(4)
  })

  it('fails for one flipped byte in a pack, names the part, and goes on with the others', async () => {
    const flip = flipByte(largestPack(), 0.3)
    try {
      const result = await drill()
      expect(result).toMatchObject({ passed: false, damaged: true })
      const problems = drillProblems(result)
      for (const problem of problems)
        expect(problem).toMatch(
          /^shop\.orders \w+: \S+: fails its checksum in pack .*: the part is damaged in the repository/,
        )
      expect(new Set(problems.map((problem) => problem.split(' ')[1])).size).toBe(1)
      expect(result.tables.map(({ table, problems: { length } }) => [table, length > 0])).toEqual([
        ['shop.copies', false],
        ['shop.orders', true],
        ['shop.people', false],
      ])
    } finally {
      restoreByte(flip)
    }
    expect((await readProofs(repository)).get(backup.id)?.damaged).toMatchObject({ level: 4 })
  })

  it('fails for a missing pack, and says that it is missing', async () => {
    const pack = largestPack()
    renameSync(pack, `${pack}.away`)
    try {
      const result = await drill()
      expect(result).toMatchObject({ passed: false, damaged: true })
      expect(drillProblems(result)).toContainEqual(
        expect.stringMatching(/^shop\.orders \w+: data\.bin: pack [0-9a-f]{64} is missing or cut short/),
      )
    } finally {
      renameSync(`${pack}.away`, pack)
    }
  })

  it('fails for a table whose definition no longer parses, and goes on with the others', async () => {
    for (const [text, said] of [
      ['name NoSuchType', /^shop\.people: cannot be made: ClickHouse said: .*NoSuchType/],
      ['name (((String', /^shop\.people: cannot be made: the definition of shop\.people does not read/],
    ] as const) {
      const old = bench.context(sayingOf(engine, text), repository)
      const { summary } = await old.backup()
      const result = await drill({ backup: summary })
      expect(result.tables.map(({ problems }) => problems.length)).toEqual([0, 0, 1])
      expect(drillProblems(result)[0]).toMatch(said)
    }
  })

  it('fails when its ClickHouse is killed in the middle', async () => {
    const killing: TestContext = {
      ...ctx,
      emit: (event) => {
        if (event.type === 'phase' && event.phase === 'fetch') process.kill(engineIn(scratch()), 'SIGKILL')
      },
    }
    const result = await drill({}, killing)
    expect(result).toMatchObject({ passed: false, damaged: false })
    expect(drillProblems(result)[0]).toMatch(/^the drill’s ClickHouse died in the middle, at shop\.copies: /)
  })

  it('leaves nothing behind', () => {
    expect(readdirSync(scratch())).toEqual([])
  })
})

describe('the command', () => {
  const main = join(import.meta.dirname, '../../src/cli/main.ts')
  const url = () => `file://${join(bench.directory, 'repository')}`

  it('says what it would restore, and exits with 14 when the drill fails', () => {
    const run = (...args: readonly string[]) =>
      spawnSync(
        process.execPath,
        [main, '--repo', url(), 'drill', '--scratch', scratch(), '-t', 'shop.people', ...args],
        {
          encoding: 'utf8',
        },
      )
    expect(run(backup.id, '--dry-run').stdout).toMatch(/Would restore a part of \S+: 1 table/)
    const good = run(backup.id, '--json', '--no-record')
    expect(good.status).toBe(0)
    expect(JSON.parse(good.stdout)).toMatchObject({ passed: true, tables: [{ table: 'shop.people', rows: 100 }] })
    // The newest backup is the one whose definition does not read.
    const bad = run('latest')
    expect(bad.status).toBe(14)
    expect(bad.stdout).toMatch(/✗ shop\.people: cannot be made: .*\nDRILL FAILED: /)
    const shown = spawnSync(process.execPath, [main, '--repo', url(), 'show', 'latest'], { encoding: 'utf8' })
    expect(shown.stdout).toMatch(/drill {4}FAILED, .*\n {4}✗ shop\.people: cannot be made/)
  })

  it('leaves no process and no directory when it is killed', async () => {
    const place = join(bench.directory, 'killed')
    const child = spawn(process.execPath, [main, '--repo', url(), 'drill', '--scratch', place], { stdio: 'ignore' })
    const engineId = await eventually(() => engineIn(place))
    const started = childrenOf(child.pid ?? 0)
    expect(started).toContain(engineId)
    child.kill('SIGKILL')
    expect(await eventually(() => started.every((pid) => !existsSync(`/proc/${pid}`)))).toBe(true)
    expect(readdirSync(place)).toEqual([])
  })

  it.runIf(canMount)('fails for too little disk before it begins', async () => {
    await engine.run(
      'CREATE DATABASE large',
      'CREATE TABLE large.t (k UInt64, v String) ENGINE = MergeTree ORDER BY k',
      'INSERT INTO large.t SELECT number, randomString(1000) FROM numbers(100000)',
    )
    await ctx.backup({ tables: ['large.*'] })
    const small = join(bench.directory, 'small')
    mkdirSync(small)
    const script = [
      `mount -t tmpfs -o size=64m tmpfs ${small}`,
      `${process.execPath} ${main} --repo ${url()} drill latest --scratch ${small}`,
      'echo "exit $?"',
    ].join('\n')
    const { stdout } = spawnSync('unshare', ['-Urm', 'sh', '-c', script], { encoding: 'utf8' })
    expect(stdout).toMatch(/too little disk: the drill needs [\d.]+ MiB, and \S+ has [\d.]+ MiB free/)
    expect(stdout).toContain('exit 14')
  })
})

/** A server whose definition of a table is one that no ClickHouse of today reads. */
function sayingOf(real: TestEngine, text: string): Engine {
  return {
    ...real,
    query: async (...args) =>
      (await real.query(...args)).map((row) =>
        Object.fromEntries(
          Object.entries(row).map(([key, value]) => [
            key,
            typeof value === 'string' && value.startsWith('CREATE TABLE shop.people')
              ? value.replace('`name` String', text)
              : value,
          ]),
        ),
      ),
  }
}

/** The one that holds the orders. */
function largestPack(): string {
  const entries = readdirSync(join(bench.directory, 'repository', 'packs'), { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
  return files.toSorted((a, b) => statSync(b).size - statSync(a).size)[0] ?? ''
}
