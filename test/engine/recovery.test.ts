import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { createHash, randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { makeKeyFile } from '../../src/repository/keys.ts'
import { initRepository } from '../../src/repository/repository.ts'
import type { Compression } from '../../src/repository/pack-chain.ts'
import type { Suite } from '../../src/repository/seal.ts'
import { fileStorage } from '../../src/storage/file.ts'
import { notCovered } from '../helpers/not-covered.ts'
import { fingerprint, workbench } from '../helpers/workbench.ts'
import type { TestEngine, Workbench } from '../helpers/workbench.ts'

// Debian's own Python has Debian's packages; another one may lie before it in the path.
const PYTHON = ['/usr/bin/python3', 'python3'].find(
  (python) => spawnSync(python, ['-c', 'import cryptography, zstandard']).status === 0,
)
if (PYTHON === undefined) notCovered('restore.py (apt install python3 python3-cryptography python3-zstandard)')

let bench: Workbench
let engine: TestEngine

beforeAll(async () => {
  bench = await workbench()
  engine = await bench.engine('source')
  await engine.run(
    'CREATE DATABASE r',
    `CREATE TABLE r.wide (k UInt64, v String, "odd / näme" String, PROJECTION p (SELECT v ORDER BY v)) ENGINE = MergeTree PARTITION BY k % 2 ORDER BY k SETTINGS min_bytes_for_wide_part = 0`,
    "INSERT INTO r.wide SELECT number, randomString(100), 'x' FROM numbers(60000)",
    'CREATE TABLE r.small (p UInt16, k UInt64) ENGINE = MergeTree PARTITION BY p ORDER BY k',
    'INSERT INTO r.small SELECT number % 30, number FROM numbers(3000)',
  )
})
afterAll(() => bench[Symbol.asyncDispose]())

interface Made {
  readonly repository: string
  readonly key: string
  readonly id: string
}

async function make(name: string, suite: Suite, compression: Compression = 'off'): Promise<Made> {
  const path = join(bench.directory, name)
  const key = join(bench.directory, `${name}.key`)
  const secret = makeKeyFile(randomBytes)
  writeFileSync(key, secret)
  const repository = await initRepository(fileStorage(path), {
    suite,
    secret: suite === 'none' ? undefined : secret,
    packTarget: 4 << 20,
    at: new Date(),
    random: randomBytes,
  })
  const ctx = bench.context(engine, repository, { limits: { workers: 1, memory: 64 << 20, compression } })
  await ctx.backup({ tables: ['r.*'] })
  await engine.run("ALTER TABLE r.wide UPDATE v = 'changed' WHERE k < 10 SETTINGS mutations_sync = 2")
  const { summary } = await ctx.backup({ tables: ['r.*'] })
  return { repository: path, key, id: summary.id }
}

const python = ({ repository, key }: Made, ...args: readonly string[]) => {
  const result = spawnSync(PYTHON ?? '', [join(repository, 'restore.py'), '--key', key, ...args], { encoding: 'utf8' })
  return { status: result.status, stdout: result.stdout, stderr: result.stderr }
}

/** Every file below a directory, by its path. */
function filesBelow(directory: string): ReadonlyMap<string, Buffer> {
  const paths = readdirSync(directory, { recursive: true }).map(String)
  const files = paths.filter((path) => statSync(join(directory, path)).isFile())
  return new Map(files.toSorted().map((path) => [path, readFileSync(join(directory, path))]))
}

const hashes = (files: ReadonlyMap<string, Buffer>): Map<string, string> =>
  new Map([...files].map(([path, bytes]) => [path, createHash('sha256').update(bytes).digest('hex')]))

async function partsOf(table: string): Promise<readonly { readonly name: string; readonly path: string }[]> {
  const rows = await engine.rows(
    `SELECT name, path FROM system.parts WHERE database = 'r' AND table = '${table}' AND active ORDER BY name`,
  )
  return rows.map((row) => ({ name: String(row['name']), path: String(row['path']) }))
}

describe.skipIf(PYTHON === undefined).each([
  ['aes-256-gcm', 'off'],
  ['chacha20-poly1305', 'auto'],
  ['none', 'off'],
] as const)('restore.py, from a repository with suite %s and compression %s', (suite, compression) => {
  let made: Made
  beforeAll(async () => {
    made = await make(`repository-${suite}`, suite, compression)
  })

  it('lists and shows', () => {
    expect(python(made, 'list').stdout.trim().split('\n')).toHaveLength(2)
    const shown = python(made, 'show', made.id)
    expect(shown).toMatchObject({ status: 0, stderr: '' })
    expect(shown.stdout).toMatch(/r\.wide {2}2 parts {2}60000 rows/)
  })

  it.each(['wide', 'small'])('brings back the very files of r.%s, which ClickHouse attaches', async (table) => {
    const to = join(bench.directory, `${suite}-${table}`)
    const result = python(made, 'restore', made.id, `r.${table}`, '--to', to)
    expect(result).toMatchObject({ status: 0, stderr: '' })
    const parts = await partsOf(table)
    expect(result.stdout.trim().split('\n').toSorted()).toEqual(parts.map(({ name }) => name))
    for (const { name, path } of parts) {
      const live = hashes(filesBelow(path))
      // Of the server's own making, and in no FREEZE.
      live.delete('metadata_version.txt')
      expect(hashes(filesBelow(join(to, name)))).toEqual(live)
    }
    const target = await bench.engine(`target-${suite}-${table}`)
    await target.run('CREATE DATABASE r', readFileSync(join(to, 'schema.sql'), 'utf8').replace(/;\n$/, ''))
    const [directory = ''] = (await target.rows(`SELECT data_paths FROM system.tables WHERE database = 'r'`)).flatMap(
      (row) => row['data_paths'] as readonly string[],
    )
    for (const { name } of parts) {
      mkdirSync(join(directory, 'detached'), { recursive: true })
      cpSync(join(to, name), join(directory, 'detached', name), { recursive: true })
      await target.run(`ALTER TABLE r.${table} ATTACH PART '${name}'`)
    }
    expect(await fingerprint(target, { database: 'r', name: table })).toEqual(
      await fingerprint(engine, { database: 'r', name: table }),
    )
  })

  it('overwrites nothing, and takes a prefix, latest and one partition', () => {
    const to = join(bench.directory, `${suite}-one`)
    expect(python(made, 'restore', 'latest', 'r.wide', '--to', to, '--partition', '1').status).toBe(0)
    expect(readdirSync(to)).toHaveLength(2)
    expect(python(made, 'restore', 'latest', 'r.wide', '--to', to)).toMatchObject({ status: 1 })
    expect(python(made, 'restore', 'latest', 'r.none', '--to', `${to}-none`)).toMatchObject({ status: 1 })
  })

  it('names the parts that damage has taken, and brings back the others', () => {
    const broken = { ...made, repository: `${made.repository}-broken` }
    cpSync(made.repository, broken.repository, { recursive: true })
    const packs = join(broken.repository, 'packs')
    const large = [...filesBelow(packs)].filter(([, bytes]) => bytes.length > 1 << 20)
    for (const [name, bytes] of large) {
      bytes.fill(bytes[5000] === 0 ? 1 : 0, 5000, 5001)
      writeFileSync(join(packs, name), bytes)
    }
    const damaged = python(broken, 'restore', 'latest', 'r.wide', '--to', join(bench.directory, `${suite}-broken`))
    const small = python(broken, 'restore', 'latest', 'r.small', '--to', join(bench.directory, `${suite}-small2`))
    expect(damaged.status).toBe(1)
    expect(small.stdout.split('\n').length + small.stderr.split('\n').length).toBe(32)
    expect(damaged.stderr + small.stderr).toMatch(/part \S+ is lost: packs\/\S+ fails (authentication|its checksum)/)
    truncateSync(join(broken.repository, 'backups', made.id), 100)
    expect(python(broken, 'show', made.id)).toMatchObject({ status: 1, stderr: expect.stringContaining('cut short') })
  })
})

it.skipIf(PYTHON === undefined)('restore.py says that a key is wrong, or missing', async () => {
  const made = await make('wrong-key', 'aes-256-gcm')
  writeFileSync(`${made.key}.other`, makeKeyFile(randomBytes))
  const wrong = python({ ...made, key: `${made.key}.other` }, 'show', 'latest')
  expect(wrong).toMatchObject({ status: 1, stderr: expect.stringContaining('does not open') })
  const none = spawnSync(PYTHON ?? '', [join(made.repository, 'restore.py'), 'list'], { encoding: 'utf8' })
  expect(none).toMatchObject({ status: 1, stderr: expect.stringContaining('--key') })
})
