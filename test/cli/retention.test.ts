import { cpSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { runCli, startCli } from '../helpers/cli.ts'
import { workbench } from '../helpers/workbench.ts'
import type { Workbench } from '../helpers/workbench.ts'

let bench: Workbench
let home: string

beforeAll(async () => {
  bench = await workbench()
  home = mkdtempSync(join(tmpdir(), 'permafrost-retention-'))
  const engine = await bench.engine('engine')
  await engine.run(
    'CREATE DATABASE r',
    'CREATE TABLE r.t (k UInt64, v String) ENGINE = MergeTree ORDER BY k',
    'INSERT INTO r.t SELECT number, randomString(50) FROM numbers(1000)',
  )
  await engine[Symbol.asyncDispose]()
  cpSync(engine.path, join(home, 'clickhouse'), { recursive: true })
  const yaml = [
    'embedded: { path: ./clickhouse }',
    `repository: { url: "file://${home}/repository", key: "\${file:./key}" }`,
    'retention: { keep-last: 3 }',
  ]
  writeFileSync(join(home, 'c.yaml'), yaml.join('\n'))
  for (const args of [['repo', 'init'], ...Array.from({ length: 4 }, () => ['backup'])]) {
    const { code, stderr } = await cli(...args)
    if (code !== 0) throw new Error(stderr)
  }
})
afterAll(async () => {
  rmSync(home, { recursive: true, force: true })
  await bench[Symbol.asyncDispose]()
})

const cli = (...args: readonly string[]) => runCli(['-c', join(home, 'c.yaml'), ...args])
const json = async (...args: readonly string[]) => JSON.parse((await cli(...args, '--json')).stdout)
const ids = async (...args: readonly string[]): Promise<readonly string[]> =>
  ((await json('list', ...args)) as readonly { readonly id: string }[]).map(({ id }) => id)

describe('forget', () => {
  it('by policy shows its reasons, and does nothing on a dry run or unasked', async () => {
    const before = await ids()
    const plan = await json('forget', '--dry-run')
    expect(plan.forget).toEqual([before[0]])
    expect(plan.decisions).toHaveLength(4)
    const { code, stderr } = await cli('forget')
    expect(code).toBe(2)
    expect(stderr).toContain('--yes')
    expect(await ids()).toEqual(before)
  })

  it('by policy does what its dry run said, and can be taken back', async () => {
    const before = await ids()
    const { stdout, code } = await cli('forget', '--yes')
    expect(code).toBe(0)
    expect(stdout).toMatch(/Forgot 1 backup, and keep 3/)
    expect(await ids()).toEqual(before.slice(1))
    expect(await ids('--forgotten')).toEqual(before.slice(0, 1))
    const shown = await cli('show', before[0] ?? '')
    expect(shown).toMatchObject({ code: 5 })
    expect(shown.stderr).toContain(`permafrost forget ${before[0]} --undo`)
    expect((await cli('forget', before[0]?.slice(-6) ?? '', '--undo')).code).toBe(0)
    expect(await ids()).toEqual(before)
  })

  it('by id asks nothing, and refuses what is held, or the last of a server', async () => {
    const all = await ids()
    const [first = '', second = ''] = all
    expect((await cli('forget', second, '--keep-until', '2099-01-01')).code).toBe(0)
    expect((await cli('list')).stdout).toContain('held until 2099-01-01')
    const held = await cli('forget', second)
    expect(held).toMatchObject({ code: 6 })
    expect(held.stderr).toContain('held until')
    expect((await cli('forget', first)).code).toBe(0)
    const rest = all.filter((id) => id !== first && id !== second)
    const last = await cli('forget', ...rest, '--yes')
    expect(last.code).toBe(2)
    expect(last.stderr).toContain('--confirm')
  })

  it('says clearly what it does not understand', async () => {
    for (const args of [
      ['--keep-daily', 'x'],
      ['--keep-within', 'soon'],
      ['latest', '--keep-until', '1999-01-01'],
      ['--undo'],
    ]) {
      const { code, stderr } = await cli('forget', ...args)
      expect({ code, stderr }).toMatchObject({ code: 2, stderr: expect.stringMatching(/^error: /) })
    }
    expect((await cli('forget', '--keep-daily', '0')).stderr).toContain('nothing says what to keep')
  })
})

describe('prune', () => {
  it('shows its plan, asks, and deletes what was forgotten without grace', async () => {
    await cli('forget', ...(await ids('--forgotten')), '--undo')
    const [first = ''] = await ids()
    expect((await cli('forget', first, '--grace', '0s')).code).toBe(0)
    const dry = await json('prune', '--dry-run', '--min-age', '0s')
    expect(dry.plan.backups).toEqual([first])
    expect((await cli('prune', '--min-age', '0s')).code).toBe(2)
    expect(await ids('--forgotten')).toEqual([first])
    const { code, stdout } = await cli('prune', '--min-age', '0s', '--yes')
    expect({ code, stdout }).toMatchObject({ code: 0, stdout: expect.stringContaining('1 forgotten backup') })
    expect(await ids('--forgotten')).toEqual([])
    expect((await cli('forget', first, '--undo')).code).toBe(5)
    expect((await cli('verify', '--all')).code).toBe(0)
  })
})

it('what was verified is shown by list and show', async () => {
  const all = await ids()
  const [first = ''] = all
  expect((await cli('verify', first)).code).toBe(0)
  expect((await cli('list')).stdout).toMatch(new RegExp(`${first}.*✓ content, now`))
  expect((await cli('show', first)).stdout).toMatch(/proven {3}content, /)
  expect((await cli('verify', first, '--sample', '50%')).code).toBe(0)
  expect((await cli('list')).stdout).toMatch(new RegExp(`${first}.*✓ content, now`))
})

it('two backups, a prune and a restore run at the same moment on one repository, and all succeed', async () => {
  const engines = ['one', 'two', 'target'].map((name) => {
    cpSync(join(home, 'clickhouse'), join(home, name), { recursive: true })
    const file = join(home, `${name}.yaml`)
    writeFileSync(
      file,
      `embedded: { path: ./${name} }\nrepository: { url: "file://${home}/repository", key: "\${file:./key}" }`,
    )
    return file
  })
  const [one = '', two = '', target = ''] = engines
  for (let round = 0; round < 3; round++) {
    const results = await Promise.all([
      startCli(['-c', one, 'backup']).result,
      startCli(['-c', two, 'backup']).result,
      startCli(['-c', one, 'prune', '--min-age', '0s', '--yes']).result,
      startCli(['-c', target, 'restore', 'latest', '--as', `again_${round}`]).result,
    ])
    for (const { code, stderr } of results) expect({ code, stderr }).toMatchObject({ code: 0 })
  }
  expect((await cli('verify', '--all')).code).toBe(0)
  expect(readdirSync(join(home, 'repository', 'pending'))).toEqual([])
})
