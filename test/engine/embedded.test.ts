import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { trusted } from '../../src/core/sql.ts'
import { readCatalog } from '../../src/engine/catalog.ts'
import { embeddedEngine } from '../../src/engine/embedded.ts'
import { serverEngine } from '../../src/engine/server.ts'
import { fingerprint, messages, testEngine, workbench } from '../helpers/workbench.ts'
import type { TestEngine, Workbench } from '../helpers/workbench.ts'

let bench: Workbench
beforeAll(async () => {
  bench = await workbench()
})
afterAll(() => bench[Symbol.asyncDispose]())

interface Running {
  readonly pid: number
  readonly url: string
  readonly password: string
}
const running = (engine: TestEngine): Running =>
  JSON.parse(readFileSync(join(engine.path, '.permafrost', 'engine.json'), 'utf8')) as Running

async function fill(engine: TestEngine): Promise<void> {
  await engine.run(
    'CREATE DATABASE e',
    'CREATE TABLE e.t (k UInt64, v String) ENGINE = MergeTree ORDER BY k',
    'INSERT INTO e.t SELECT number, toString(number) FROM numbers(1000)',
  )
}

describe.each(['server', 'bridge'] as const)('the embedded engine, as a %s', (flavor) => {
  it('backs up and restores', async () => {
    const source = await bench.engine(`${flavor}-source`, { flavor })
    const target = await bench.engine(`${flavor}-target`, { flavor })
    await fill(source)
    const repository = await bench.repository(`${flavor}-repository`)
    const { summary } = await bench.context(source, repository).backup()
    await bench.context(target, repository).restore(summary)
    const table = { database: 'e', name: 't' }
    expect(await fingerprint(target, table)).toEqual(await fingerprint(source, table))
  })

  it('says ClickHouse’s own errors, and keeps the settings of one statement from the next', async () => {
    const engine = await bench.engine(`${flavor}-errors`, { flavor })
    await expect(engine.rows('SELECT * FROM nowhere.x')).rejects.toMatchObject({
      code: 'ENGINE_REFUSED',
      detail: { clickhouse: 81 },
    })
    await engine.command(trusted('SELECT 1'), { settings: { max_block_size: 7 } })
    expect(await engine.value("SELECT value FROM system.settings WHERE name = 'max_block_size'")).not.toBe('7')
  })

  it('lets in nobody without its password', async () => {
    const engine = await bench.engine(`${flavor}-password`, { flavor })
    const { url } = running(engine)
    for (const user of ['permafrost', 'default']) {
      const stranger = serverEngine({ url, user, password: 'guess', random: randomBytes })
      await expect(stranger.query(trusted('SELECT * FROM system.tables'))).rejects.toMatchObject({
        code: 'UNAUTHORIZED',
      })
      await stranger[Symbol.asyncDispose]()
    }
    // ClickHouse itself must be let in as default, without a password, to start listening; it may do nothing else.
    await fill(engine)
    const nobody = async (query: string) => fetch(`${url}/`, { method: 'POST', body: query })
    expect((await nobody('SELECT * FROM e.t')).ok).toBe(false)
    expect((await nobody("INSERT INTO e.t VALUES (1, 'x')")).ok).toBe(false)
    const seen = await nobody("SELECT name FROM system.tables WHERE database = 'e'")
    expect(seen.ok ? await seen.text() : '').toBe('')
  })

  it('dies with its parent, even when that is killed', async () => {
    const path = join(bench.directory, `${flavor}-orphan`)
    const script = `import { embeddedEngine } from ${JSON.stringify(new URL('../../src/engine/embedded.ts', import.meta.url).href)}; import { randomBytes } from 'node:crypto'
      await embeddedEngine({ path: ${JSON.stringify(path)}, random: randomBytes, flavor: '${flavor}' }); console.log('up'); setInterval(() => {}, 1000)`
    const parent = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    await new Promise((done) => parent.stdout.once('data', done))
    const { pid } = JSON.parse(readFileSync(join(path, '.permafrost', 'engine.json'), 'utf8')) as Running
    parent.kill('SIGKILL')
    let alive = true
    for (let waited = 0; alive && waited < 100; waited++) {
      await sleep(100)
      try {
        process.kill(pid, 0)
      } catch {
        alive = false
      }
    }
    expect(alive).toBe(false)
    // And the next one starts on the same directory.
    const next = await embeddedEngine({ path, random: randomBytes, flavor })
    await next[Symbol.asyncDispose]()
  })
})

describe('a data directory', () => {
  it('whose engine runs already is shared: the second does not end the first', async () => {
    const first = await bench.engine('shared')
    await fill(first)
    const second = await embeddedEngine({ path: first.path, random: randomBytes })
    expect((await second.query(trusted('SELECT count() AS n FROM e.t')))[0]).toEqual({ n: '1000' })
    await second[Symbol.asyncDispose]()
    expect(await first.value('SELECT count() FROM e.t')).toBe('1000')
  })

  it('that another program holds is said', async () => {
    const first = await bench.engine('held')
    const { rmSync } = await import('node:fs')
    rmSync(join(first.path, '.permafrost', 'engine.json'))
    await expect(embeddedEngine({ path: first.path, random: randomBytes })).rejects.toMatchObject({
      code: 'ENGINE_UNAVAILABLE',
      message: expect.stringContaining('another ClickHouse uses the data directory'),
    })
  })

  it('with a configuration that ClickHouse does not take says what ClickHouse said', async () => {
    const config = join(bench.directory, 'bad.xml')
    writeFileSync(
      config,
      '<clickhouse><storage_configuration><disks><x><type>nonsense</type></x></disks></storage_configuration></clickhouse>',
    )
    await expect(
      embeddedEngine({ path: join(bench.directory, 'bad'), config, random: randomBytes }),
    ).rejects.toMatchObject({ code: 'ENGINE_UNAVAILABLE' })
  })
})

describe('a server over HTTP', () => {
  const connect = (
    engine: TestEngine,
    options: {
      readonly user?: string
      readonly password?: string
      readonly disks?: Readonly<Record<string, string>>
    } = {},
  ) => {
    const { url, password } = running(engine)
    return testEngine(serverEngine({ url, user: 'permafrost', password, random: randomBytes, ...options }), engine.path)
  }

  it('whose disks this machine sees elsewhere is backed up from there', async () => {
    const engine = await bench.engine('mapped')
    await fill(engine)
    const elsewhere = join(bench.directory, 'elsewhere')
    symlinkSync(engine.path, elsewhere)
    const server = connect(engine, { disks: { default: elsewhere } })
    const read: string[] = []
    const repository = await bench.repository('mapped-repository')
    const ctx = bench.context(server, repository, { limits: { workers: 0, memory: 64 << 20 } })
    const disk = { ...ctx.disk, list: (path: string) => (read.push(path), ctx.disk.list(path)) }
    await bench
      .context(server, repository, { disk, limits: { workers: 0, memory: 64 << 20 } })
      .backup({ tables: ['e.*'] })
    expect(read.length).toBeGreaterThan(0)
    expect(read.every((path) => path.startsWith(elsewhere))).toBe(true)
    await server[Symbol.asyncDispose]()
  })

  it('whose files are not on this machine is refused before anything is frozen', async () => {
    const engine = await bench.engine('unseen')
    await fill(engine)
    const server = connect(engine, { disks: { default: '/nonexistent' } })
    const refused = bench.context(server, await bench.repository('unseen-repository')).backup()
    await expect(refused).rejects.toMatchObject({
      code: 'ENGINE_REFUSED',
      message: expect.stringContaining('cannot see the files of e.t'),
      hint: [expect.any(String), expect.stringContaining('clickhouse.disks: { default: /path }')],
    })
    await server[Symbol.asyncDispose]()
  })

  it('is backed up by a user who may do nothing but read the catalogue and freeze', async () => {
    const directory = join(bench.directory, 'grants')
    mkdirSync(directory)
    const grant = (user: string, ...grants: readonly string[]) =>
      `<${user}><password>pw</password><networks><ip>127.0.0.1</ip></networks><profile>default</profile><quota>default</quota><grants>${grants.map((one) => `<query>GRANT ${one}</query>`).join('')}</grants></${user}>`
    writeFileSync(
      join(directory, 'users.xml'),
      `<clickhouse><users><default><password></password><networks><ip>127.0.0.1</ip></networks><profile>default</profile><quota>default</quota></default>
      ${grant('backup', 'SELECT ON system.*', 'SHOW ON *.*', 'ALTER FREEZE PARTITION ON *.*')}${grant('reader', 'SELECT ON *.*', 'SHOW ON *.*')}</users><profiles><default/></profiles><quotas><default/></quotas></clickhouse>`,
    )
    writeFileSync(
      join(directory, 'config.xml'),
      `<clickhouse><users_config>${directory}/users.xml</users_config></clickhouse>`,
    )
    const engine = await bench.engine('granted', { config: join(directory, 'config.xml') })
    await fill(engine)
    const repository = await bench.repository('granted-repository')
    const server = connect(engine, { user: 'backup', password: 'pw' })
    const { summary, findings } = await bench.context(server, repository).backup({ tables: ['e.*'] })
    expect({ findings, rows: summary.rows }).toEqual({ findings: [], rows: 1000 })
    expect(await server.rows('SELECT 1 AS one')).toEqual([{ one: 1 }])
    await expect(server.rows('SELECT * FROM e.t')).rejects.toMatchObject({ code: 'UNAUTHORIZED' })

    const reader = connect(engine, { user: 'reader', password: 'pw' })
    await expect(bench.context(reader, repository).backup({ tables: ['e.*'] })).rejects.toMatchObject({
      code: 'UNAUTHORIZED',
      message: expect.stringContaining('ALTER FREEZE'),
    })
    for (const one of [server, reader]) await one[Symbol.asyncDispose]()
  })

  it('does not repeat a statement, and ends one that is stopped', async () => {
    const engine = await bench.engine('stopped')
    const stop = new AbortController()
    const sleeping = engine.query(
      trusted(
        'SELECT sleepEachRow(1) FROM numbers(60) SETTINGS max_block_size = 1, function_sleep_max_microseconds_per_block = 0',
      ),
      { signal: stop.signal },
    )
    await sleep(300)
    stop.abort()
    await expect(sleeping).rejects.toMatchObject({ code: 'CANCELLED' })
    let left = '1'
    for (let tries = 0; left !== '0' && tries < 50; tries++) {
      await sleep(100)
      left = await engine.value(
        "SELECT count() FROM system.processes WHERE query LIKE '%sleepEachRow%' AND query NOT LIKE '%system.processes%'",
      )
    }
    expect(left).toBe('0')
    await expect(engine.query(trusted('SELECT sleep(3)'), { timeout: 200 })).rejects.toMatchObject({
      code: 'ENGINE_UNAVAILABLE',
      message: expect.stringContaining('did not answer within 200 ms'),
    })
  })

  it('shows every kind of table in the catalogue', async () => {
    const engine = await bench.engine('catalog')
    await fill(engine)
    await engine.run(
      'CREATE VIEW e.v AS SELECT 1',
      'CREATE MATERIALIZED VIEW e.mv ENGINE = MergeTree ORDER BY k AS SELECT k FROM e.t',
      'CREATE TABLE e.m (k UInt8) ENGINE = Memory',
      'CREATE TEMPORARY TABLE temporary (k UInt8)',
    )
    const names = (await readCatalog(engine, await engine.describe()))
      .filter((table) => table.database === 'e')
      .map((table) => table.engine)
    expect(names.sort()).toEqual(['MaterializedView', 'Memory', 'MergeTree', 'MergeTree', 'View'])
    const { findings, summary } = await bench
      .context(engine, await bench.repository('catalog-repository'))
      .backup({ tables: ['e.*'] })
    expect(summary.tables).toBe(2)
    expect(messages(findings, 'incomplete')).toEqual([expect.stringMatching(/^e\.m: engine Memory/)])
  })
})
