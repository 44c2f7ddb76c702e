import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { fingerprint, messages, partList, workbench } from '../helpers/workbench.ts'
import type { TestEngine, Workbench } from '../helpers/workbench.ts'

let bench: Workbench
let source: TestEngine
let target: TestEngine

beforeAll(async () => {
  bench = await workbench()
  source = await bench.engine('source', { config: writeConfig('source') })
  target = await bench.engine('target', { config: writeConfig('target') })
  await source.run('CREATE DATABASE d')
})
afterAll(() => bench[Symbol.asyncDispose]())

/** Two local disks, an encrypted one inside the second, an object disk, and policies over them. */
function writeConfig(name: string, { encrypted = true } = {}): string {
  const root = join(bench.directory, `${name}-disks`)
  mkdirSync(root, { recursive: true })
  const file = join(root, 'config.xml')
  writeFileSync(
    file,
    `<clickhouse>
  <storage_configuration>
    <disks>
      <fast><type>local</type><path>${root}/fast/</path></fast>
      <cold><type>local</type><path>${root}/cold/</path></cold>
      <secret><type>encrypted</type><disk>cold</disk><path>secret/</path><key>1234567812345678</key></secret>
      <object><type>object_storage</type><object_storage_type>local_blob_storage</object_storage_type><metadata_type>local</metadata_type><path>${root}/object/</path></object>
    </disks>
    <policies>
      <jbod><volumes><all><disk>fast</disk><disk>cold</disk></all></volumes></jbod>
      <tiered><volumes><hot><disk>fast</disk></hot><cold><disk>cold</disk></cold></volumes><move_factor>0</move_factor></tiered>
      <encrypted><volumes><one><disk>secret</disk></one></volumes></encrypted>
      <mixed><volumes><one><disk>fast</disk></one><two><disk>${encrypted ? 'secret' : 'cold'}</disk></two></volumes><move_factor>0</move_factor></mixed>
      <blobs><volumes><one><disk>object</disk></one></volumes></blobs>
    </policies>
  </storage_configuration>
</clickhouse>`,
  )
  return file
}

async function roundTrip(name: string): Promise<void> {
  const repository = await bench.repository(`disks-${name}`)
  const ctx = bench.context(source, repository)
  const { summary, findings } = await ctx.backup({ tables: [`d.${name}`] })
  expect(findings).toEqual([])
  expect((await ctx.verify([summary.id], 'content')).findings).toEqual([])
  const again = await ctx.backup({ tables: [`d.${name}`] })
  expect(again.summary).toMatchObject({ stored: 0, reused: summary.logical })

  await bench.context(target, repository).restore(summary)
  const table = { database: 'd', name }
  expect(await fingerprint(target, table)).toEqual(await fingerprint(source, table))
  expect(await partList(target, table)).toEqual(await partList(source, table))
  const where = `SELECT name, disk_name FROM system.parts WHERE database = 'd' AND table = '${name}' AND active ORDER BY name`
  expect(await target.rows(where)).toEqual(await source.rows(where))
}

describe('a table on several disks', () => {
  it('comes back part by part onto the disks that the parts were on', async () => {
    await source.run(
      `CREATE TABLE d.jbod (p UInt8, k UInt64) ENGINE = MergeTree PARTITION BY p ORDER BY k SETTINGS storage_policy = 'jbod'`,
    )
    for (const part of [1, 2, 3, 4, 5, 6])
      await source.run(`INSERT INTO d.jbod SELECT ${part}, number FROM numbers(1000)`)
    const disks = await source.rows("SELECT DISTINCT disk_name FROM system.parts WHERE table = 'jbod' ORDER BY 1")
    expect(disks).toEqual([{ disk_name: 'cold' }, { disk_name: 'fast' }])
    await roundTrip('jbod')
  })

  it('with tiers keeps hot parts hot and cold parts cold', async () => {
    await source.run(
      `CREATE TABLE d.tiered (p UInt8, k UInt64) ENGINE = MergeTree PARTITION BY p ORDER BY k SETTINGS storage_policy = 'tiered'`,
      `INSERT INTO d.tiered SELECT number % 4, number FROM numbers(1000)`,
      `ALTER TABLE d.tiered MOVE PARTITION 1 TO VOLUME 'cold'`,
      `ALTER TABLE d.tiered MOVE PARTITION 3 TO DISK 'cold'`,
    )
    await roundTrip('tiered')
  })

  it('notices that a part has moved, without storing it again', async () => {
    const repository = await bench.repository('moved')
    const ctx = bench.context(source, repository)
    await ctx.backup({ tables: ['d.tiered'] })
    await source.run(`ALTER TABLE d.tiered MOVE PARTITION 2 TO DISK 'cold'`)
    const { summary } = await ctx.backup({ tables: ['d.tiered'] })
    expect(summary.reused).toBe(summary.logical)
    await target.run('DROP TABLE IF EXISTS d.tiered SYNC')
    await bench.context(target, repository).restore(summary, { tables: ['d.tiered'] })
    expect(
      await target.value("SELECT count() FROM system.parts WHERE table = 'tiered' AND disk_name = 'cold' AND active"),
    ).toBe('3')
  })
})

describe('an encrypted disk', () => {
  it('is backed up as its ciphertext, and restored to an encrypted disk with the same key', async () => {
    await source.run(
      `CREATE TABLE d.secret (p UInt8, k UInt64, v String) ENGINE = MergeTree PARTITION BY p ORDER BY k SETTINGS storage_policy = 'encrypted', min_bytes_for_wide_part = 0`,
      `INSERT INTO d.secret SELECT number % 2, number, randomString(200) FROM numbers(20000)`,
    )
    await roundTrip('secret')
  })

  it('beside plain disks takes back only its own parts', async () => {
    await source.run(
      `CREATE TABLE d.mixed (p UInt8, k UInt64) ENGINE = MergeTree PARTITION BY p ORDER BY k SETTINGS storage_policy = 'mixed'`,
      `INSERT INTO d.mixed SELECT number % 4, number FROM numbers(1000)`,
      `ALTER TABLE d.mixed MOVE PARTITION 2 TO DISK 'secret'`,
    )
    await roundTrip('mixed')
  })

  it('cannot be restored where there is none, and that is said before the table has its name', async () => {
    const plain = await bench.engine('plain', { config: writeConfig('plain', { encrypted: false }) })
    const repository = await bench.repository('no-encrypted')
    const { summary } = await bench.context(source, repository).backup({ tables: ['d.mixed'] })
    const refused = bench.context(plain, repository).restore(summary)
    await expect(refused).rejects.toMatchObject({
      code: 'ENGINE_REFUSED',
      message: expect.stringContaining('encrypted disk secret'),
    })
    expect(await plain.value("SELECT count() FROM system.tables WHERE name = 'mixed'")).toBe('0')
  })
})

describe('an object disk', () => {
  it('is not covered, and that is said loudly', async () => {
    await source.run(
      `CREATE TABLE d.blobs (k UInt64) ENGINE = MergeTree ORDER BY k SETTINGS storage_policy = 'blobs'`,
      'INSERT INTO d.blobs SELECT number FROM numbers(10)',
    )
    const repository = await bench.repository('blobs')
    const { summary, findings } = await bench.context(source, repository).backup({ tables: ['d.blobs', 'd.jbod'] })
    expect(summary).toMatchObject({ status: 'incomplete', tables: 1 })
    expect(messages(findings, 'incomplete')).toEqual([expect.stringMatching(/^d\.blobs: .*object storage/)])
  })
})
