import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { nativeTarget } from '../../src/core/native-target.ts'
import { parseSelector } from '../../src/core/selector.ts'
import { sql } from '../../src/core/sql.ts'
import { runNative } from '../../src/engine/run-native.ts'
import { backupNative } from '../../src/operations/backup-native.ts'
import { prepareNativeRestore } from '../../src/operations/restore-native.ts'
import { listNative } from '../../src/repository/native-backups.ts'
import type { Repository } from '../../src/repository/repository.ts'
import { runCli } from '../helpers/cli.ts'
import { fingerprint, messages, workbench } from '../helpers/workbench.ts'
import type { TestContext, TestEngine, Workbench } from '../helpers/workbench.ts'

let bench: Workbench
let engine: TestEngine
let config: string
let backups: string

beforeAll(async () => {
  bench = await workbench()
  backups = join(bench.directory, 'backups')
  config = join(bench.directory, 'config.xml')
  mkdirSync(backups)
  writeFileSync(
    config,
    `<clickhouse>
  <storage_configuration><disks><backups><type>local</type><path>${backups}/</path></backups></disks></storage_configuration>
  <backups><allowed_disk>backups</allowed_disk><allowed_path>${backups}/</allowed_path></backups>
</clickhouse>`,
  )
  engine = await bench.engine('engine', { config })
  await engine.run(
    'CREATE DATABASE n',
    'CREATE TABLE n.a (k UInt64, v String) ENGINE = MergeTree ORDER BY k',
    'CREATE MATERIALIZED VIEW n.sums (k UInt64) ENGINE = MergeTree ORDER BY k AS SELECT k FROM n.a',
    'CREATE VIEW n.v AS SELECT k FROM n.a',
    'CREATE TABLE n.log (k UInt64) ENGINE = TinyLog',
    'INSERT INTO n.a SELECT number, toString(number) FROM numbers(1000)',
    'INSERT INTO n.log SELECT number FROM numbers(10)',
  )
})
afterAll(() => bench[Symbol.asyncDispose]())

const contextOf = (repository: Repository): TestContext => bench.context(engine, repository)
const make = (ctx: TestContext, { to = 'disk:backups/permafrost', incremental = false } = {}) =>
  backupNative(ctx, { selector: parseSelector(['n.*']), tags: ['x'], to, incremental })
const restore = async (ctx: TestContext, wanted: string, database?: string) => {
  const backup = (await listNative(ctx.repository)).find(({ id }) => id === wanted)
  if (!backup) throw new Error('no such native backup')
  const names = database === undefined ? {} : { as: { database } }
  return prepareNativeRestore(ctx, backup, { selector: parseSelector([]), names })
}

describe('a backup that the server makes by itself', () => {
  it('comes back beside and in place, rows of every engine, and views', async () => {
    const ctx = contextOf(await bench.repository('whole'))
    const { native } = await make(ctx)
    expect(native).toMatchObject({ status: 'complete', tags: ['x'], to: 'disk:backups/permafrost' })
    expect(native.tables.map(({ name }) => name).toSorted()).toEqual(['a', 'log', 'sums', 'v'])
    const tables = ['a', 'log', 'sums', 'v']
    const prints = (database: string) => Promise.all(tables.map((name) => fingerprint(engine, { database, name })))
    const before = await prints('n')
    await (await restore(ctx, native.id, 'beside')).run()
    expect(await prints('beside')).toEqual(before)
    await expect(restore(ctx, native.id)).rejects.toMatchObject({ code: 'CONFLICT' })
    await engine.run('DROP DATABASE n SYNC')
    await (await restore(ctx, native.id)).run()
    expect(await prints('n')).toEqual(before)
  })

  it('is a chain where it is incremental: it is made upon the newest of the same tables, and needs it', async () => {
    const ctx = contextOf(await bench.repository('chain'))
    const first = await make(ctx, { incremental: true })
    await engine.run("INSERT INTO n.a VALUES (5000, 'new')")
    const second = await make(ctx, { incremental: true })
    expect([first.native.base, second.native.base]).toEqual([undefined, first.native.id])
    await (await restore(ctx, second.native.id, 'second')).run()
    expect(await engine.value('SELECT max(k) FROM second.a')).toBe('5000')
    rmSync(join(backups, 'permafrost', first.native.id), { recursive: true })
    await expect((await restore(ctx, second.native.id, 'third')).run()).rejects.toMatchObject({
      code: 'ENGINE_REFUSED',
    })
  })

  it('is none when the server refuses it', async () => {
    const repository = await bench.repository('refused')
    await expect(make(contextOf(repository), { to: 'disk:default/x' })).rejects.toMatchObject({
      code: 'ENGINE_REFUSED',
    })
    expect(await listNative(repository)).toEqual([])
  })

  it('says what no BACKUP takes: lightweight updates', async () => {
    await engine.run(
      'CREATE TABLE n.patched (k UInt64, v UInt8) ENGINE = MergeTree ORDER BY k SETTINGS enable_block_number_column = 1, enable_block_offset_column = 1',
      'INSERT INTO n.patched SELECT number, 0 FROM numbers(10)',
      'UPDATE n.patched SET v = 1 WHERE k = 3',
    )
    const { native, findings } = await make(contextOf(await bench.repository('patched')))
    expect(native.status).toBe('incomplete')
    expect(messages(findings, 'incomplete')).toEqual([expect.stringMatching(/^n\.patched: lightweight updates/)])
    await engine.run('DROP TABLE n.patched SYNC')
  })
})

describe('an operation of the server', () => {
  const signal = new AbortController().signal

  it('that it knows nothing of has failed, and so has one with any status but success', async () => {
    await expect(runNative(engine, { id: 'unheard-of', statement: sql`SELECT 1`, signal })).rejects.toMatchObject({
      code: 'ENGINE_REFUSED',
      message: expect.stringContaining('knows nothing of unheard-of'),
    })
    const target = nativeTarget('file:permafrost', 'broken')
    await runNative(engine, {
      id: 'whole',
      statement: sql`BACKUP TABLE n.a TO ${target} SETTINGS id = 'whole', async = 1`,
      signal,
    })
    const data = join(backups, 'permafrost', 'broken', 'data')
    for (const name of readdirSync(data, { recursive: true, encoding: 'utf8' }))
      if (name.endsWith('data.bin')) rmSync(join(data, name))
    const again = sql`RESTORE TABLE n.a AS n.broken FROM ${target} SETTINGS id = 'broken', async = 1`
    await expect(runNative(engine, { id: 'broken', statement: again, signal })).rejects.toMatchObject({
      code: 'ENGINE_REFUSED',
      message: expect.stringMatching(/^the server ended broken with RESTORE_FAILED: .+/),
    })
  })

  it('is ended at the server when it is stopped', async () => {
    const stop = new AbortController()
    await engine.run(
      // The server looks between two files whether it was told to end.
      'CREATE TABLE n.slow (p UInt8, v String) ENGINE = MergeTree PARTITION BY p ORDER BY tuple()',
      'INSERT INTO n.slow SELECT number % 50, randomString(1000) FROM numbers(20000)',
    )
    const statement = sql`BACKUP TABLE n.slow TO ${nativeTarget('disk:backups', 'slow')} SETTINGS id = 'slow', async = 1, max_backup_bandwidth = 1000000`
    const running = runNative(engine, { id: 'slow', statement, signal: stop.signal })
    const status = () => engine.value("SELECT status FROM system.backups WHERE id = 'slow'")
    while ((await status()) !== 'CREATING_BACKUP');
    stop.abort()
    await expect(running).rejects.toMatchObject({ code: 'CANCELLED' })
    while ((await status()) === 'CREATING_BACKUP');
    expect(await status()).toBe('BACKUP_CANCELLED')
    await engine.run('DROP TABLE n.slow SYNC')
  })

  it('goes to the places that there are, and to no other', () => {
    const at = (place: string) => nativeTarget(place, 'id').text
    expect(at('disk:backups')).toBe("Disk('backups', 'id')")
    expect(at('disk:backups/a/b/')).toBe("Disk('backups', 'a/b/id')")
    expect(at('file:/backups/')).toBe("File('/backups/id')")
    expect(at('s3:bucket/a')).toBe("S3(`bucket`, 'a/id')")
    expect(at('azure:bucket/a')).toBe("AzureBlobStorage(`bucket`, 'a/id')")
    expect(at("https://b.s3.amazonaws.com/it's")).toBe("S3('https://b.s3.amazonaws.com/it\\'s/id')")
    for (const place of ['', 'disk:', 'ftp:x', 's3:/x']) expect(() => at(place)).toThrow(/native-to/)
  })
})

it('on the command line it is made, listed with its chain, and restored', async () => {
  const home = join(bench.directory, 'cli')
  mkdirSync(home)
  writeFileSync(
    join(home, 'c.yaml'),
    `embedded: { path: ${engine.path}, config: ${config} }
clickhouse: { engine: native, native-to: "disk:backups/cli" }
repository: { url: "file://${home}/repository" }
select: { tables: ["n.*"] }
`,
  )
  const answer = async (...args: readonly string[]) => {
    const { code, stdout, stderr } = await runCli(['-c', join(home, 'c.yaml'), ...args, '--json'])
    expect({ code, stderr }).toMatchObject({ code: 0 })
    return JSON.parse(stdout) as unknown
  }
  await answer('repo', 'init', '--plain')
  const { native } = (await answer('backup')) as { readonly native: { readonly id: string } }
  await answer('backup', '--incremental')
  expect(await answer('list')).toMatchObject([
    { id: native.id, engine: 'native', chain: [] },
    { engine: 'native', base: native.id, chain: [native.id] },
  ])
  const { stdout } = await runCli(['-c', join(home, 'c.yaml'), 'list'])
  expect(stdout).toContain(`chain: needs ${native.id}`)
  await answer('restore', 'native:latest', '--as', 'by_cli')
  expect(await engine.value('SELECT count() FROM by_cli.log')).toBe('10')
})
