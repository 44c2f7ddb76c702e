import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { sql } from '../../src/core/sql.ts'
import type { BackupSummary } from '../../src/core/manifest.ts'
import type { Repository } from '../../src/repository/repository.ts'
import { hasOldServer, oldServer } from '../helpers/old-server.ts'
import { workbench } from '../helpers/workbench.ts'
import type { TestEngine, Workbench } from '../helpers/workbench.ts'
import { hasZooKeeper, startZooKeeper } from '../helpers/zookeeper.ts'
import type { ZooKeeper } from '../helpers/zookeeper.ts'

const PATH = '/clickhouse/tables/{shard}/posthog.events'
const CREATE = `CREATE TABLE posthog.events (d Date, k UInt64, v UInt64) ENGINE = ReplicatedReplacingMergeTree('${PATH}', '{replica}', v) PARTITION BY toYYYYMM(d) ORDER BY k`

// ClickHouse 18.16 twice, with a ZooKeeper between them: the embedded engine has no replication.
describe.runIf(hasOldServer && hasZooKeeper)('replicated tables', () => {
  let bench: Workbench
  let zookeeper: ZooKeeper
  let first: TestEngine
  let second: TestEngine
  let repository: Repository
  let from: BackupSummary
  let before: unknown

  beforeAll(async () => {
    bench = await workbench()
    zookeeper = await startZooKeeper(join(bench.directory, 'zookeeper'))
    first = await oldServer(join(bench.directory, 'first'), { zookeeper: zookeeper.port, replica: 'ch1' })
    second = await oldServer(join(bench.directory, 'second'), { zookeeper: zookeeper.port, replica: 'ch2' })
    for (const server of [first, second]) await server.run('CREATE DATABASE posthog', CREATE)
    // Twice the same content: two parts that are equal.
    const same = sql`INSERT INTO posthog.events SELECT toDate(17532), number, 2 FROM system.numbers LIMIT 10`
    for (let times = 0; times < 2; times++) await first.command(same, { settings: { insert_deduplicate: 0 } })
    await first.run(
      "INSERT INTO posthog.events SELECT toDate('2018-01-01') + number % 60, number, 1 FROM system.numbers LIMIT 5000",
      'CREATE MATERIALIZED VIEW posthog.by_month ENGINE = SummingMergeTree PARTITION BY m ORDER BY m AS SELECT toYYYYMM(d) AS m, count() AS n FROM posthog.events GROUP BY m',
      'CREATE VIEW posthog.keys AS SELECT k FROM posthog.events',
      "INSERT INTO posthog.events VALUES ('2018-02-01', 1, 3)",
    )
    before = await contents(first)
    repository = await bench.repository('repository')
    from = (await bench.context(first, repository).backup({ tables: ['posthog.*'] })).summary
  })
  afterAll(async () => {
    for (const server of [first, second, zookeeper]) await server?.[Symbol.asyncDispose]()
    await bench[Symbol.asyncDispose]()
  })

  const contents = async (server: TestEngine, table = 'posthog.events') =>
    server.rows(`SELECT count() AS n, sum(cityHash64(d, k, v)) AS h FROM ${table}`)

  it('are restored on one replica, and another fetches', async () => {
    for (const server of [first, second]) await server.run('DROP DATABASE posthog')
    const { findings } = await bench.context(first, repository).restore(from)
    expect(findings).toEqual([])
    expect(await contents(first)).toEqual(before)
    await bench.context(second, repository).restore(from, { tables: ['posthog.events'], mode: 'schema' })
    await second.run('SYSTEM SYNC REPLICA posthog.events')
    expect(await contents(second)).toEqual(before)
    expect(await first.rows('SELECT sum(n) AS n FROM posthog.by_month')).toEqual([{ n: '1' }])
    expect(await first.value('SELECT count() FROM posthog.keys')).toBe('5021')
  })

  it('are not restored beside their own replicas: their rows would be there twice', async () => {
    await second.run('DROP DATABASE posthog')
    await expect(bench.context(second, repository).restore(from, { tables: ['posthog.events'] })).rejects.toMatchObject(
      {
        code: 'CONFLICT',
        message: expect.stringContaining(
          'has replicas at /clickhouse/tables/01/posthog.events in ZooKeeper already: ch1',
        ),
        hint: expect.arrayContaining([expect.stringContaining('--schema-only')]),
      },
    )
    expect(await second.rows("SELECT name FROM system.databases WHERE name = 'posthog'")).toEqual([])
  })

  it('are refused at the path of a table that lives, and restored at another, or plain', async () => {
    const ctx = bench.context(first, repository)
    const beside = { tables: ['posthog.events'], as: { database: 'beside' } }
    await expect(ctx.restore(from, beside)).rejects.toMatchObject({
      code: 'CONFLICT',
      message: expect.stringContaining('and posthog.events does'),
    })
    await ctx.restore(from, { ...beside, replicaPath: '/clickhouse/tables/{shard}/{database}.{table}' })
    expect(await contents(first, 'beside.events')).toEqual(before)
    expect(await first.rows("SELECT zookeeper_path AS p FROM system.replicas WHERE database = 'beside'")).toEqual([
      { p: '/clickhouse/tables/01/beside.events' },
    ])
    await ctx.restore(from, { ...beside, as: { database: 'plain' }, engine: 'plain' })
    expect(await contents(first, 'plain.events')).toEqual(before)
    expect(await first.value("SELECT engine FROM system.tables WHERE database = 'plain'")).toBe('ReplacingMergeTree')
  })

  it('are refused where a lost table of this replica left its path', async () => {
    await second.run('CREATE DATABASE lost', CREATE.replace('posthog.events (', 'lost.events (').replace(PATH, '/lost'))
    await second[Symbol.asyncDispose]()
    second = await oldServer(join(bench.directory, 'third'), { zookeeper: zookeeper.port, replica: 'ch2' })
    const wish = { tables: ['posthog.events'], replicaPath: '/lost' }
    await expect(bench.context(second, repository).restore(from, wish)).rejects.toMatchObject({
      code: 'CONFLICT',
      message: expect.stringContaining('ZooKeeper holds a replica ch2 at /lost'),
      hint: expect.arrayContaining([expect.stringContaining('--drop-replica')]),
    })
    await expect(bench.context(second, repository).restore(from, { ...wish, dropReplica: true })).rejects.toMatchObject(
      {
        code: 'ENGINE_REFUSED',
        hint: [expect.stringContaining('deleteall /lost/replicas/ch2')],
      },
    )
  })
})
