import { cpSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { runCli } from '../helpers/cli.ts'
import type { CliResult } from '../helpers/cli.ts'
import { workbench } from '../helpers/workbench.ts'
import type { Workbench } from '../helpers/workbench.ts'

let bench: Workbench
let home: string
/** Everything that any command of this file said. */
let said = ''

beforeAll(async () => {
  bench = await workbench()
  home = mkdtempSync(join(tmpdir(), 'permafrost-keys-'))
  const engine = await bench.engine('engine')
  await engine.run(
    'CREATE DATABASE s',
    'CREATE TABLE s.t (k UInt64, v String) ENGINE = MergeTree ORDER BY k',
    "INSERT INTO s.t SELECT number, 'content' FROM numbers(5000)",
  )
  await engine[Symbol.asyncDispose]()
  cpSync(engine.path, join(home, 'clickhouse'), { recursive: true })
  const { code, stderr } = await as('owner', 'repo', 'init')
  if (code !== 0) throw new Error(stderr)
})
afterAll(async () => {
  rmSync(home, { recursive: true, force: true })
  await bench[Symbol.asyncDispose]()
})

/** The command line with the key in a file of this name. */
async function as(key: string, ...args: readonly string[]): Promise<CliResult> {
  const config = join(home, `${key}.yaml`)
  writeFileSync(
    config,
    `embedded: { path: ./clickhouse }\nrepository: { url: "file://${home}/repository", key: "\${file:./${key}.key}" }`,
  )
  const result = await runCli(['-c', config, '--debug', ...args])
  said += result.stdout + result.stderr
  return result
}
const file = (key: string) => join(home, `${key}.key`)
const slots = async () =>
  JSON.parse((await as('owner', 'repo', 'key', 'list', '--json')).stdout) as readonly {
    readonly id: string
    readonly role: string
    readonly inUse: boolean
  }[]

describe('an agent', () => {
  it('backs up, reuses and lists, and cannot read the data', async () => {
    expect(
      (await as('owner', 'repo', 'key', 'add', '--role', 'agent', '--label', 'web-1', '--to', file('agent'))).code,
    ).toBe(0)
    expect(statSync(file('agent')).mode & 0o777).toBe(0o600)
    expect((await as('agent', 'backup')).code).toBe(0)
    const second = await as('agent', 'backup', '--json')
    const { summary } = JSON.parse(second.stdout)
    expect(summary.reused).toBe(summary.logical)
    expect((await as('agent', 'list')).stdout).toContain(summary.id)
    expect((await as('agent', 'show', 'latest')).stdout).toContain('s.t')
    expect((await as('agent', 'verify', '--level', 'scrub')).code).toBe(0)
    for (const args of [['restore', 'latest', '--as', 'stolen'], ['verify']]) {
      const { code, stderr } = await as('agent', ...args)
      expect({ code, stderr }).toMatchObject({ code: 12, stderr: expect.stringMatching(/not read their data/) })
    }
    expect((await as('agent', 'repo', 'key', 'add', '--to', file('more'))).code).toBe(12)
    expect((await as('owner', 'restore', 'latest', '--as', 'back')).code).toBe(0)
  })
})

describe('a collector', () => {
  it('prunes, and knows no names', async () => {
    expect((await as('owner', 'repo', 'key', 'add', '--role', 'collector', '--to', file('collector'))).code).toBe(0)
    expect((await as('collector', 'prune', '--min-age', '0s', '--yes')).code).toBe(0)
    for (const args of [['list'], ['show', 'latest'], ['backup']])
      expect(await as('collector', ...args)).toMatchObject({ code: 12 })
    expect((await as('owner', 'verify', '--all')).code).toBe(0)
  })
})

describe('keys', () => {
  it('of an owner, a passphrase and a recovery kit all open it', async () => {
    expect((await as('owner', 'repo', 'key', 'export', '--to', file('kit'))).code).toBe(0)
    expect(readFileSync(file('kit'), 'utf8')).toMatch(/^Recovery kit of the Permafrost repository/)
    expect((await as('kit', 'verify')).code).toBe(0)
    writeFileSync(file('words'), 'correct horse battery staple\n')
    const { code, stderr } = await runCli(['-c', join(home, 'owner.yaml'), 'repo', 'key', 'add', '--passphrase'], {
      input: readFileSync(file('words'), 'utf8'),
    })
    expect({ code, stderr }).toMatchObject({ code: 0 })
    expect((await as('words', 'list')).code).toBe(0)
  })

  it('are rotated, and the old one opens nothing any more', async () => {
    expect((await as('owner', 'repo', 'key', 'add', '--to', file('turning'))).code).toBe(0)
    expect((await as('turning', 'repo', 'key', 'rotate', '--to', file('turned'))).code).toBe(0)
    expect(await as('turning', 'list')).toMatchObject({ code: 12 })
    expect((await as('turned', 'verify')).code).toBe(0)
  })

  it('are removed, but neither the one in use nor the last of an owner', async () => {
    const all = await slots()
    const inUse = all.find((slot) => slot.inUse)?.id ?? ''
    expect(await as('owner', 'repo', 'key', 'remove', inUse)).toMatchObject({ code: 6 })
    const owners = all.filter(({ id, role }) => role === 'owner' && id !== inUse)
    for (const { id } of owners) expect((await as('owner', 'repo', 'key', 'remove', id)).code).toBe(0)
    expect(await as('turned', 'list')).toMatchObject({ code: 12 })
    const last = await as('agent', 'repo', 'key', 'remove', inUse)
    expect(last).toMatchObject({ code: 6, stderr: expect.stringContaining('last of an owner') })
    expect(await as('owner', 'repo', 'key', 'remove', 'ffff')).toMatchObject({ code: 5 })
  })

  it('that are missing, wrong and tampered with are three different errors', async () => {
    const config = join(home, 'none.yaml')
    writeFileSync(config, `embedded: { path: ./clickhouse }\nrepository: { url: "file://${home}/repository" }`)
    expect(await runCli(['-c', config, 'list'])).toMatchObject({ code: 4 })
    writeFileSync(file('wrong'), readFileSync(file('turning'), 'utf8'))
    expect(await as('wrong', 'list')).toMatchObject({ code: 12 })
    const keys = join(home, 'repository', 'keys')
    const name = `slot-${(await slots()).find((slot) => slot.inUse)?.id}`
    const bytes = readFileSync(join(keys, name))
    const broken = Buffer.from(bytes)
    broken.fill(0x41, bytes.indexOf('"keys":"') + 8, bytes.indexOf('"keys":"') + 12)
    writeFileSync(join(keys, name), broken)
    expect(await as('owner', 'list')).toMatchObject({ code: 13 })
    writeFileSync(join(keys, name), bytes)
    expect((await as('owner', 'list')).code).toBe(0)
  })

  it('are never overwritten', async () => {
    const before = readFileSync(file('owner'), 'utf8')
    expect(await as('owner', 'repo', 'key', 'add', '--to', file('owner'))).toMatchObject({ code: 6 })
    expect(readFileSync(file('owner'), 'utf8')).toBe(before)
  })

  it('are in nothing that was ever said, in whatever writing', () => {
    expect(said.length).toBeGreaterThan(1000)
    for (const name of ['owner', 'agent', 'collector', 'kit', 'turned', 'turning']) {
      const secret = /^permafrost-key-1:(\S{43})$/m.exec(readFileSync(file(name), 'utf8'))?.[1] ?? 'missing'
      const raw = Buffer.from(secret, 'base64url')
      for (const writing of [secret, raw.toString('base64'), raw.toString('hex'), raw.toString('latin1')])
        expect(said).not.toContain(writing)
    }
  })
})
