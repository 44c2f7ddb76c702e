import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { readdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ERRORS } from '../../src/core/errors.ts'
import { runCli } from '../helpers/cli.ts'
import { canMount, isRoot } from '../helpers/not-covered.ts'
import { workbench } from '../helpers/workbench.ts'
import type { Workbench } from '../helpers/workbench.ts'

let directory: string
let config: string
let bench: Workbench

/** An engine with a table, a configuration with every secret in a file, a repository with a backup. */
beforeAll(async () => {
  bench = await workbench()
  directory = mkdtempSync(join(tmpdir(), 'permafrost-cli-'))
  config = join(directory, 'permafrost.yaml')
  writeFileSync(
    config,
    'embedded: { path: ./clickhouse }\nrepository: { url: "file://' +
      join(directory, 'repository') +
      '", key: "${file:./key}" }\n',
  )
  const engine = await bench.engine('engine')
  await engine.run(
    'CREATE DATABASE shop',
    'CREATE TABLE shop.orders (p UInt8, k UInt64) ENGINE = MergeTree PARTITION BY p ORDER BY k',
    'INSERT INTO shop.orders SELECT number % 3, number FROM numbers(300)',
  )
  await engine[Symbol.asyncDispose]()
  const { cpSync } = await import('node:fs')
  cpSync(engine.path, join(directory, 'clickhouse'), { recursive: true })
  for (const args of [['repo', 'init'], ['backup'], ['backup', '--tag', 'second']]) {
    const { code, stderr } = await runCli(['-c', config, ...args])
    if (code !== 0) throw new Error(stderr)
  }
})
afterAll(async () => {
  rmSync(directory, { recursive: true, force: true })
  await bench[Symbol.asyncDispose]()
})

const cli = (...args: readonly string[]) => runCli(['-c', config, ...args])

async function ids(): Promise<readonly string[]> {
  const { stdout } = await cli('list', '--json')
  return (JSON.parse(stdout) as { readonly id: string }[]).map(({ id }) => id)
}

describe('the answer', () => {
  it('stands on stdout, and what is said on the way on stderr', async () => {
    const { code, stdout, stderr } = await cli('backup')
    expect(code).toBe(0)
    expect(stdout).toMatch(/^Backup \d{8}T\d{6}Z-[0-9a-z]{6}: 1 table, 3 parts, /)
    expect(stderr).toMatch(/freeze {2}freezing 1 table/)
  })

  it.each([
    ['list'],
    ['show', 'latest'],
    ['show', 'latest', '--parts', '--schema'],
    ['verify'],
    ['verify', '--all', '--level', 'inventory'],
    ['doctor'],
    ['config', 'show'],
    ['config', 'check'],
    ['config', 'schema'],
    ['backup', '--dry-run'],
    ['restore', 'latest', '--as', 'x', '--dry-run'],
    ['version'],
  ])('of %s %s %s %s is one JSON document with --json', async (...args) => {
    const { code, stdout } = await cli(...args, '--json')
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toBeTypeOf('object')
  })

  it('comes as events on stderr with --progress json', async () => {
    const { stderr } = await cli('backup', '--progress', 'json', '--json')
    const events = stderr
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { readonly type: string; readonly phase: string })
    expect(events.filter((event) => event.type === 'phase').map((event) => event.phase)).toEqual([
      'freeze',
      'store',
      'commit',
    ])
  })

  it('is nothing but the exit code with --quiet', async () => {
    expect(await cli('list', '--quiet')).toMatchObject({ code: 0, stdout: '', stderr: '' })
  })

  it('holds no control characters that a table’s name brought along', async () => {
    const { printable } = await import('../../src/cli/output.ts')
    expect(printable('a\u001b[2Jb\u009bc')).toBe('a\\x1b[2Jb\\x9bc')
  })
})

describe('a backup is named', () => {
  it('by its id, a prefix, its last six characters, latest, or latest of a host', async () => {
    const all = await ids()
    const last = all.at(-1) ?? ''
    const { stdout } = await cli('list', '--json')
    const { host } = (JSON.parse(stdout) as { readonly host: string }[])[0] ?? { host: '' }
    for (const name of [last, last.slice(0, -1), last.slice(-6), 'latest', `latest@${host}`]) {
      const shown = JSON.parse((await cli('show', name, '--json')).stdout) as {
        readonly summary: { readonly id: string }
      }
      expect(shown.summary.id).toBe(last)
    }
  })

  it('ambiguously is USAGE, wrongly is NOT_FOUND', async () => {
    expect(await cli('show', '2026')).toMatchObject({ code: 2, stderr: expect.stringContaining('fits') })
    expect(await cli('show', 'nope00')).toMatchObject({ code: 5, stderr: expect.stringContaining('no backup nope00') })
    expect(await cli('show', 'latest@nowhere')).toMatchObject({ code: 5 })
  })

  it('by its tag in the list', async () => {
    const { stdout } = await cli('list', '--tag', 'second', '--json')
    expect(JSON.parse(stdout)).toHaveLength(1)
  })
})

describe('bad input gets its documented error and exit code, and changes nothing', () => {
  const files = async () => (await readdir(join(directory, 'repository'), { recursive: true })).sort()

  it.each([
    ['an unknown command', ['fogret'], 'USAGE', /unknown command 'fogret'/],
    ['an unknown flag', ['list', '--all-of-it'], 'USAGE', /unknown option '--all-of-it'/],
    ['a missing argument', ['restore'], 'USAGE', /missing required argument 'backup'/],
    ['a bad level', ['verify', '--level', 'deep'], 'USAGE', /--level deep is none of inventory, scrub, content/],
    ['a bad pattern', ['backup', '-t', '`a'], 'USAGE', /is not a table pattern/],
    [
      'a bad partition',
      ['restore', 'latest', '--partition', 'shop.orders'],
      'USAGE',
      /is not of the form db\.table:<partition id>/,
    ],
    ['a bad timeout', ['list', '--timeout', 'soon'], 'USAGE', /--timeout soon is not a duration/],
    [
      'flags that exclude one another',
      ['restore', 'latest', '--schema-only', '--data-only'],
      'USAGE',
      /exclude one another/,
    ],
    [
      'a dangerous act that nobody confirms',
      ['restore', 'latest', '--replace'],
      'USAGE',
      /this would replace shop\.orders, and nobody can be asked/,
    ],
    [
      'a dangerous act with the wrong name',
      ['restore', 'latest', '--replace', '--confirm', 'shop.order'],
      'USAGE',
      /is not the name/,
    ],
    [
      'an unknown table',
      ['backup', '-t', 'shop.order'],
      'NOT_FOUND',
      /no table matches shop\.order[\s\S]*there is shop\.orders/,
    ],
    ['an unknown backup', ['restore', '20200101T000000Z-aaaaaa'], 'NOT_FOUND', /no backup 20200101T000000Z-aaaaaa/],
    [
      'an unknown partition',
      ['restore', 'latest', '--partition', 'shop.orders:9', '--as', 'x'],
      'NOT_FOUND',
      /no partition shop\.orders:9/,
    ],
    [
      'a table that exists',
      ['restore', 'latest'],
      'CONFLICT',
      /shop\.orders exists already[\s\S]*--as shop\.orders_restored/,
    ],
    ['a repository that exists', ['repo', 'init'], 'CONFLICT', /there is a repository at file:/],
    [
      'a location that is no URL',
      ['list', '--repo', '/tmp/x'],
      'CONFIG_INVALID',
      /repository location \/tmp\/x is not a URL[\s\S]*file:\/\/\/tmp\/x/,
    ],
    ['a location of an unknown kind', ['list', '--repo', 'gopher://x'], 'CONFIG_INVALID', /gopher:\/\/ are not served/],
    [
      'a repository that is not there',
      ['list', '--repo', 'file:///nonexistent/permafrost'],
      'REPOSITORY_MISSING',
      /there is no repository at file:\/\/\/nonexistent[\s\S]*repo init/,
    ],
    [
      'a configuration that is not there',
      ['-c', '/nonexistent.yaml', 'list'],
      'CONFIG_INVALID',
      /\/nonexistent\.yaml cannot be read/,
    ],
  ] as const)('%s', async (...[, args, code, message]) => {
    const before = await files()
    const { code: exit, stdout, stderr } = await runCli(['-c', config, ...args])
    expect({ exit, stderr }).toEqual({ exit: ERRORS[code].exit, stderr: expect.stringMatching(message) })
    expect(stderr).toContain(code)
    expect(stderr).not.toMatch(/\n {4}at /)
    expect(stdout).toBe('')
    expect(await files()).toEqual(before)
  })

  it('as JSON, too', async () => {
    const { code, stdout } = await cli('show', 'nope00', '--json')
    expect(code).toBe(5)
    expect(JSON.parse(stdout)).toEqual({
      error: { code: 'NOT_FOUND', message: 'no backup nope00', hint: ['permafrost list'] },
    })
  })

  it.each([
    [
      'an unknown setting',
      'repositry: { url: "file:///x" }',
      /repositry: there is no such setting; did you mean repository\?/,
    ],
    [
      'an unknown setting in a group',
      'repository: { ulr: "file:///x" }',
      /repository\.ulr: there is no such setting; did you mean url\?/,
    ],
    ['a value of the wrong kind', 'select: { tables: "*.*" }', /select\.tables: /],
    ['a size that is none', 'limits: { memory: lots }', /limits\.memory: lots is not a size/],
    ['no YAML', 'repository: {', /is not YAML/],
  ] as const)('a configuration with %s', async (_what, text, message) => {
    const file = join(directory, 'bad.yaml')
    writeFileSync(file, text)
    expect(await runCli(['-c', file, 'list'])).toMatchObject({ code: 4, stderr: expect.stringMatching(message) })
  })

  it('a wrong key, a missing key and no key are told apart', async () => {
    const other = (key: string) => {
      const file = join(directory, 'other.yaml')
      writeFileSync(file, `repository: { url: "file://${join(directory, 'repository')}"${key} }`)
      return runCli(['-c', file, 'list'])
    }
    writeFileSync(join(directory, 'wrong'), `permafrost-key-1:${'A'.repeat(43)}\n`)
    expect(await other(', key: "${file:./wrong}"')).toMatchObject({
      code: 12,
      stderr: expect.stringContaining('the key does not open'),
    })
    expect(await other(', key: "a passphrase"')).toMatchObject({ code: 12 })
    expect(await other(', key: "${file:./gone}"')).toMatchObject({
      code: 4,
      stderr: expect.stringMatching(/repository\.key: the file .*gone is not there/),
    })
    expect(await other('')).toMatchObject({ code: 4, stderr: expect.stringContaining('no key is configured') })
  })

  it('a damaged record is DAMAGED, and the list says which', async () => {
    const { stdout } = await cli('backup', '--json')
    const { id } = (JSON.parse(stdout) as { readonly summary: { readonly id: string } }).summary
    const record = join(directory, 'repository', 'backups', id)
    const { size } = statSync(record)
    const whole = readFileSync(record)
    truncateSync(record, size - 5)
    expect(await cli('show', id)).toMatchObject({ code: 13, stderr: expect.stringContaining('cut short or changed') })
    expect(await cli('restore', id, '--as', 'x')).toMatchObject({ code: 13 })
    expect(await cli('list')).toMatchObject({ code: 13, stdout: expect.stringContaining('✗ damaged') })
    expect(await cli('show', 'latest')).toMatchObject({ code: 0 })
    writeFileSync(record, whole)
  })

  it('a repository of a newer version is FORMAT_TOO_NEW', async () => {
    const repository = join(directory, 'newer')
    mkdirSync(repository)
    const format = JSON.parse(readFileSync(join(directory, 'repository', 'format.json'), 'utf8')) as object
    writeFileSync(join(repository, 'format.json'), JSON.stringify({ ...format, version: 2 }))
    expect(await cli('list', '--repo', `file://${repository}`)).toMatchObject({
      code: 15,
      stderr: expect.stringContaining('format version 2'),
    })
    writeFileSync(
      join(repository, 'format.json'),
      JSON.stringify({ ...format, must: { read: ['from-the-future'], write: [], collect: [], check: [] } }),
    )
    expect(await cli('list', '--repo', `file://${repository}`)).toMatchObject({
      code: 15,
      stderr: expect.stringContaining('from-the-future'),
    })
  })

  it('a ClickHouse that does not answer, or wants another password, is said', async () => {
    const file = join(directory, 'server.yaml')
    writeFileSync(
      file,
      `clickhouse: { url: "http://127.0.0.1:1" }\nrepository: { url: "file://${join(directory, 'repository')}", key: "\${file:./key}" }`,
    )
    expect(await runCli(['-c', file, 'backup'])).toMatchObject({
      code: 9,
      stderr: expect.stringMatching(/no answer from ClickHouse at http:\/\/127\.0\.0\.1:1[\s\S]*clickhouse\.url/),
    })
    const engine = await bench.engine('password')
    const { url } = JSON.parse(readFileSync(join(engine.path, '.permafrost', 'engine.json'), 'utf8')) as {
      readonly url: string
    }
    writeFileSync(
      file,
      `clickhouse: { url: "${url}", user: permafrost, password: hunter2 }\nrepository: { url: "file://${join(directory, 'repository')}", key: "\${file:./key}" }`,
    )
    const refused = await runCli(['-c', file, 'backup', '--debug'])
    expect(refused).toMatchObject({ code: 7, stderr: expect.stringContaining('UNAUTHORIZED') })
    expect(refused.stderr + refused.stdout).not.toContain('hunter2')
  })

  it('an occupied place is no place for a repository', async () => {
    const place = join(directory, 'photos')
    mkdirSync(place)
    writeFileSync(join(place, 'cat.jpg'), 'x')
    expect(await cli('repo', 'init', '--repo', `file://${place}`)).toMatchObject({
      code: 6,
      stderr: expect.stringContaining('is not empty: it holds cat.jpg'),
    })
    expect(await readdir(place)).toEqual(['cat.jpg'])
  })
})

describe('secrets', () => {
  it('are shown by their reference, and nowhere else', async () => {
    const key = readFileSync(join(directory, 'key'), 'utf8').trim()
    for (const args of [
      ['config', 'show'],
      ['config', 'show', '--origin'],
      ['config', 'show', '--json'],
      ['doctor', '--debug'],
      ['backup', '--debug', '--progress', 'json'],
      ['list', '--json'],
      ['show', 'latest', '--json', '--parts', '--schema'],
    ]) {
      const { stdout, stderr } = await cli(...args)
      expect(stdout + stderr).not.toContain(key.slice('permafrost-key-1:'.length))
    }
    expect((await cli('config', 'show')).stdout).toContain('${file:./key}')
    const file = join(directory, 'literal.yaml')
    writeFileSync(file, 'clickhouse: { password: hunter2 }\nrepository: { key: correct horse }')
    const { stdout } = await runCli(['-c', file, 'config', 'show', '--json'])
    expect(stdout).not.toMatch(/hunter2|correct horse/)
  })

  it('lie in files that only their owner can read', () => {
    expect(statSync(join(directory, 'key')).mode & 0o077).toBe(0)
    expect(statSync(join(directory, 'repository', 'format.json')).mode & 0o077).toBe(0)
  })

  it('are not in any object of an encrypted repository, nor are names', async () => {
    const objects = (await readdir(join(directory, 'repository'), { recursive: true, withFileTypes: true })).filter(
      (entry) => entry.isFile(),
    )
    for (const entry of objects) {
      const bytes = readFileSync(join(entry.parentPath, entry.name))
      expect(bytes.includes('orders')).toBe(false)
      expect(bytes.includes('shop')).toBe(false)
    }
    expect(objects.length).toBeGreaterThan(5)
  })
})

describe('where values come from', () => {
  it('flags win over the environment, the environment over the file, the file over defaults', async () => {
    const origin = async (args: readonly string[], env: Record<string, string> = {}) => {
      const { stdout } = await runCli(['-c', config, 'config', 'show', '--json', ...args], { env })
      const { config: values, origins } = JSON.parse(stdout) as {
        readonly config: { readonly repository: { readonly url: string } }
        readonly origins: Record<string, string>
      }
      return [values.repository.url, origins['repository.url']]
    }
    expect(await origin([])).toEqual([`file://${join(directory, 'repository')}`, `file ${config}`])
    expect(await origin([], { PERMAFROST_REPOSITORY_URL: 'file:///env' })).toEqual([
      'file:///env',
      'environment PERMAFROST_REPOSITORY_URL',
    ])
    expect(await origin(['--repo', 'file:///flag'], { PERMAFROST_REPOSITORY_URL: 'file:///env' })).toEqual([
      'file:///flag',
      'flag --repo',
    ])
    const { stdout } = await cli('config', 'show', '--origin')
    expect(stdout).toMatch(/limits\.patience +"5m" +default/)
  })

  it('what is shown is a configuration, with the same values', async () => {
    const given = join(directory, 'given.yaml')
    const limits = 'limits: { memory: 300000001, upload: 20MiB/s, silence: 90s }'
    writeFileSync(given, `${limits}\nstatus: { max-age: 26h }\nretention: { keep-within: 36h }`)
    const shown = await runCli(['-c', given, 'config', 'show'])
    expect(shown.stdout).toContain('upload: 20MiB/s')
    const again = join(directory, 'again.yaml')
    writeFileSync(again, shown.stdout)
    expect((await runCli(['-c', again, 'config', 'show'])).stdout).toBe(shown.stdout)
  })
})

describe('help', () => {
  it('names every command, and every command has its own', async () => {
    const { stdout, code } = await runCli(['--help'])
    expect(code).toBe(0)
    for (const name of [
      'backup',
      'list',
      'show',
      'restore',
      'verify',
      'doctor',
      'repo',
      'config',
      'demo',
      'version',
      'help',
    ]) {
      expect(stdout).toContain(name)
      expect((await runCli(['help', name])).code).toBe(0)
    }
  }, 60_000)

  it('is the table of the code for exit codes, settings and the environment', async () => {
    const { stdout } = await runCli(['help', 'exit-codes'])
    for (const [code, { exit }] of Object.entries(ERRORS)) expect(stdout).toMatch(new RegExp(`${exit}  ${code}`))
    expect((await runCli(['help', 'config'])).stdout).toContain('repository.url')
    expect((await runCli(['help', 'environment'])).stdout).toContain('PERMAFROST_REPOSITORY_URL')
    expect(await runCli(['help', 'nonsense'])).toMatchObject({ code: 2 })
    expect((await runCli(['--version'])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/)
    expect(await runCli([])).toMatchObject({ code: 2 })
  })
})

describe('a disk', () => {
  it.runIf(isRoot)('that may not be read is UNAUTHORIZED, and the repository is as it was', async () => {
    const engine = await bench.engine('closed')
    await engine.run(
      'CREATE DATABASE c',
      'CREATE TABLE c.t (k UInt8) ENGINE = MergeTree ORDER BY k',
      'INSERT INTO c.t VALUES (1)',
    )
    const { url, password } = JSON.parse(readFileSync(join(engine.path, '.permafrost', 'engine.json'), 'utf8')) as {
      readonly url: string
      readonly password: string
    }
    const home = mkdtempSync(join(tmpdir(), 'permafrost-nobody-'))
    chmodSync(home, 0o777)
    const file = join(home, 'c.yaml')
    writeFileSync(
      file,
      `clickhouse: { url: "${url}", user: permafrost, password: "${password}" }\nrepository: { url: "file://${home}/repository" }`,
    )
    const nobody = { uid: 65534 }
    expect(await runCli(['-c', file, 'repo', 'init', '--plain'], nobody)).toMatchObject({ code: 0 })
    chmodSync(engine.path, 0o700)
    chmodSync(bench.directory, 0o755)
    const { code, stderr } = await runCli(['-c', file, 'backup'], nobody)
    expect({ code, stderr }).toMatchObject({ code: 7, stderr: expect.stringContaining('not allowed') })
    expect(existsSync(join(home, 'repository', 'backups'))).toBe(false)
    rmSync(home, { recursive: true, force: true })
  })

  it.runIf(isRoot)('of a repository that may not be written is UNAUTHORIZED', async () => {
    const home = mkdtempSync(join(tmpdir(), 'permafrost-readonly-'))
    chmodSync(home, 0o755)
    expect(
      await runCli(['repo', 'init', '--plain', '--repo', `file://${home}/repository`], { uid: 65534 }),
    ).toMatchObject({ code: 7, stderr: expect.stringContaining('not allowed to') })
    rmSync(home, { recursive: true, force: true })
  })

  it.runIf(canMount)('that is full fails the backup, leaves no freeze, and the next one is whole', async () => {
    const engine = await bench.engine('large')
    await engine.run(
      'CREATE DATABASE large',
      'CREATE TABLE large.t (k UInt64, v String) ENGINE = MergeTree ORDER BY k',
      'INSERT INTO large.t SELECT number, randomString(200) FROM numbers(100000)',
    )
    await engine[Symbol.asyncDispose]()
    const home = mkdtempSync(join(tmpdir(), 'permafrost-full-'))
    writeFileSync(
      join(home, 'c.yaml'),
      `embedded: { path: "${engine.path}" }\nrepository: { url: "file://${home}/small/repository" }`,
    )
    const permafrost = `${process.execPath} ${join(import.meta.dirname, '../../dist/cli/main.js')} -c ${home}/c.yaml`
    const script = [
      `mkdir ${home}/small && mount -t tmpfs -o size=8m tmpfs ${home}/small`,
      `${permafrost} repo init --plain`,
      `${permafrost} backup; echo "full: $?"`,
      `ls ${engine.path}/shadow; ls ${home}/small/repository/backups`,
      `mount -o remount,size=80m ${home}/small && ${permafrost} backup && ${permafrost} verify; echo "then: $?"`,
    ]
    const { stdout, stderr } = spawnSync('unshare', ['-Urm', 'sh', '-c', script.join('\n')], { encoding: 'utf8' })
    expect(stderr).toMatch(/error: no space left to write packs\/.* STORAGE_UNAVAILABLE 8/)
    expect(stdout).toContain('full: 8')
    expect(stdout).toContain('then: 0')
    expect(stdout).not.toContain('permafrost_')
    rmSync(home, { recursive: true, force: true })
  })

  it.runIf(canMount)('of ClickHouse that is too small refuses the restore before it begins', async () => {
    const home = mkdtempSync(join(tmpdir(), 'permafrost-small-'))
    const engine = await bench.engine('source-of-large')
    await engine.run(
      'CREATE DATABASE large',
      'CREATE TABLE large.t (k UInt64, v String) ENGINE = MergeTree ORDER BY k',
      'INSERT INTO large.t SELECT number, randomString(1000) FROM numbers(100000)',
    )
    await engine[Symbol.asyncDispose]()
    writeFileSync(
      join(home, 'a.yaml'),
      `embedded: { path: "${engine.path}" }\nrepository: { url: "file://${home}/repository" }`,
    )
    writeFileSync(
      join(home, 'b.yaml'),
      `embedded: { path: "${home}/small/clickhouse" }\nrepository: { url: "file://${home}/repository" }`,
    )
    const permafrost = (name: string) =>
      `${process.execPath} ${join(import.meta.dirname, '../../dist/cli/main.js')} -c ${home}/${name}.yaml`
    const script = [
      `${permafrost('a')} repo init --plain && ${permafrost('a')} backup -t 'large.*'`,
      `mkdir ${home}/small && mount -t tmpfs -o size=64m tmpfs ${home}/small`,
      `${permafrost('b')} restore latest; echo "small: $?"`,
    ]
    const { stdout, stderr } = spawnSync('unshare', ['-Urm', 'sh', '-c', script.join('\n')], { encoding: 'utf8' })
    expect({ stdout, stderr }).toMatchObject({
      stdout: expect.stringContaining('small: 8'),
      stderr: expect.stringMatching(/the restore needs .* and ClickHouse's disks have .* free/),
    })
    rmSync(home, { recursive: true, force: true })
  })
})
