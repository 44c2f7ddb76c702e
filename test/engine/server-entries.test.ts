import { randomBytes } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { layServerFiles } from '../../src/operations/lay-server-files.ts'
import { messages, workbench } from '../helpers/workbench.ts'
import type { TestEngine, Workbench } from '../helpers/workbench.ts'

let bench: Workbench
let source: TestEngine
let target: TestEngine

beforeAll(async () => {
  bench = await workbench()
  source = await bench.engine('source', { config: config('source') })
  target = await bench.engine('target', { config: config('target') })
  await source.run(
    'CREATE DATABASE s',
    'CREATE TABLE s.a (k UInt64) ENGINE = MergeTree ORDER BY k',
    'INSERT INTO s.a VALUES (1)',
    "CREATE NAMED COLLECTION `kaf``ka` AS kafka_broker_list = '127.0.0.1:1' NOT OVERRIDABLE, password = 'geheim'".replace(
      '``',
      '\\`',
    ),
    'CREATE RESOURCE io (READ ANY DISK, WRITE ANY DISK)',
    // Names sort against what they need.
    'CREATE WORKLOAD z_all SETTINGS max_io_requests = 100 FOR io',
    'CREATE WORKLOAD m_some IN z_all',
    'CREATE WORKLOAD a_few IN m_some SETTINGS priority = 2',
    'CREATE FUNCTION doubled AS (x) -> x * 2',
  )
})
afterAll(() => bench[Symbol.asyncDispose]())

/** A server that shows secrets to whom it trusts. */
function config(name: string): string {
  const file = join(bench.directory, `${name}.xml`)
  const users = join(bench.directory, `${name}-users.xml`)
  const rights = ['access_management', 'named_collection_control', 'show_named_collections_secrets']
    .map((right) => `<${right}>1</${right}>`)
    .join('')
  const user = `<password></password><networks><ip>127.0.0.1</ip></networks><profile>default</profile><quota>default</quota>${rights}`
  writeFileSync(
    users,
    `<clickhouse><users><default>${user}</default></users><profiles><default/></profiles><quotas><default/></quotas></clickhouse>`,
  )
  writeFileSync(
    file,
    `<clickhouse><users_config>${users}</users_config><display_secrets_in_show_and_select>1</display_secrets_in_show_and_select></clickhouse>`,
  )
  return file
}

const shown = async (engine: TestEngine) => {
  const settings = 'SETTINGS format_display_secrets_in_show_and_select = 1'
  return Promise.all(
    ['named_collections', 'resources', 'workloads', "functions WHERE create_query != ''"].map((what) =>
      engine.rows(`SELECT name, create_query FROM (SELECT * FROM system.${what}) ORDER BY name ${settings}`),
    ),
  )
}

describe('named collections, resources, workloads and functions', () => {
  it('come back with everything, what they need first', async () => {
    const repository = await bench.repository('repository')
    const { summary, findings } = await bench.context(source, repository).backup()
    expect(findings).toEqual([])
    const before = await shown(source)
    expect(JSON.stringify(before)).toContain('geheim')
    const { plan } = await bench.context(target, repository).restore(summary)
    expect(plan.serverEntries.map(({ name }) => name)).toEqual(['kaf`ka', 'io', 'z_all', 'm_some', 'a_few', 'doubled'])
    expect(await shown(target)).toEqual(before)
  })

  it('stay when they are there and the same, and are a conflict when they are not', async () => {
    const repository = await bench.repository('again')
    const { summary } = await bench.context(source, repository).backup()
    const again = { as: { database: 'again' } }
    expect((await bench.context(source, repository).restore(summary, again)).plan.serverEntries).toEqual([])
    await target.run("ALTER NAMED COLLECTION `kaf\\`ka` SET password = 'other'")
    await expect(bench.context(target, repository).restore(summary, again)).rejects.toMatchObject({
      code: 'CONFLICT',
      message: 'the server has another named collection kaf`ka than the backup',
    })
  })

  it('bring no password into a repository that is not encrypted: a warning names the collection', async () => {
    const repository = await bench.repository('open', { suite: 'none' })
    const { findings } = await bench.context(source, repository).backup({ tables: ['s.a'] })
    expect(messages(findings, 'warning')).toEqual([
      'named collection kaf`ka: its values are not in the backup: it must be made again before a restore',
    ])
  })
})

describe('files of the server', () => {
  it('come along when their directory is named, and are laid into a new one, with their rights', async () => {
    const etc = join(bench.directory, 'etc')
    mkdirSync(join(etc, 'config.d', 'deeper', 'still'), { recursive: true })
    writeFileSync(join(etc, 'config.d', 'deeper', 'still', 'macros.xml'), '<clickhouse/>')
    writeFileSync(join(etc, 'funnel'), randomBytes(100_000), { mode: 0o755 })
    symlinkSync('funnel', join(etc, 'link'))
    symlinkSync('..', join(etc, 'circle'))
    const ctx = bench.context(source, await bench.repository('files'))
    const { summary, findings } = await ctx.backup({ serverFiles: [etc] })
    expect(findings).toEqual([])

    const out = join(bench.directory, 'out')
    await layServerFiles(ctx, summary.id, out)
    const laid = join(out, etc)
    expect(readdirSync(laid).toSorted()).toEqual(['config.d', 'funnel', 'link'])
    expect(readFileSync(join(laid, 'funnel'))).toEqual(readFileSync(join(etc, 'funnel')))
    expect(statSync(join(laid, 'funnel')).mode & 0o777).toBe(0o755)
    expect(readFileSync(join(laid, 'config.d/deeper/still/macros.xml'), 'utf8')).toBe('<clickhouse/>')
    await expect(layServerFiles(ctx, summary.id, out)).rejects.toMatchObject({ code: 'CONFLICT' })
  })

  it('that are too large are a finding, and an open repository takes none', async () => {
    const large = join(bench.directory, 'large')
    mkdirSync(large)
    writeFileSync(join(large, 'model'), new Uint8Array(17 << 20))
    const ctx = bench.context(source, await bench.repository('of-large'))
    const { summary, findings } = await ctx.backup({ serverFiles: [large] })
    expect(messages(findings, 'incomplete')).toEqual([expect.stringMatching(/model: is not in the backup/)])
    await expect(layServerFiles(ctx, summary.id, join(bench.directory, 'none'))).rejects.toMatchObject({
      code: 'NOT_FOUND',
    })
    const open = bench.context(source, await bench.repository('open-files', { suite: 'none' }))
    await expect(open.backup({ serverFiles: [large] })).rejects.toMatchObject({ code: 'USAGE' })
  })
})
