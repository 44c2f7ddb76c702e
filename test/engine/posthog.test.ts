import { rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Finding } from '../../src/core/events.ts'
import type { BackupSummary } from '../../src/core/manifest.ts'
import type { Repository } from '../../src/repository/repository.ts'
import { COLUMNS, postHogDefinitions, SHARDED } from '../helpers/posthog.ts'
import { notCovered } from '../helpers/not-covered.ts'
import { fingerprint, messages, workbench } from '../helpers/workbench.ts'
import type { TestEngine, Workbench } from '../helpers/workbench.ts'

// The embedded engine has no replication: a replicated table is read-only in it, and filled before it becomes one. With real
// replicas, see replicated.test.ts.

notCovered(
  'users, roles and row policies made by SQL (the embedded engine has those of users.xml only, and 18.16 has none)',
)

let bench: Workbench
let source: TestEngine
let target: TestEngine
let repository: Repository
let from: BackupSummary
let backedUp: readonly Finding[]

beforeAll(async () => {
  bench = await workbench()
  source = await bench.engine('source', { config: config('source') })
  target = await bench.engine('target', { config: config('target') })
  await source.run('CREATE DATABASE posthog')
  for (const [name, engine, order] of SHARDED) await makeReplicated(name, engine, order)
  await source.run(
    ...postHogDefinitions('posthog'),
    'INSERT INTO posthog.person (id, team_id, properties, version) SELECT number, number % 3, toString(number), 1 FROM numbers(100)',
    'INSERT INTO posthog.person_distinct_id_overrides SELECT number % 3, number, number + 1, 1 FROM numbers(50)',
    "INSERT INTO posthog.exchange_rate SELECT 'EUR', number, toDate('2026-01-01') + number FROM numbers(9)",
    "INSERT INTO posthog.infi_clickhouse_orm_migrations SELECT 'posthog', concat('00', toString(number)), '2026-01-01' FROM numbers(20)",
    "INSERT INTO posthog.events_by_day SELECT number % 3, toDate('2026-01-01') + number, 7 FROM numbers(30)",
  )
  repository = await bench.repository('repository')
  const result = await bench.context(source, repository).backup({ tables: ['posthog.*'] })
  backedUp = result.findings
  from = result.summary
}, 120_000)
afterAll(() => bench[Symbol.asyncDispose]())

function config(name: string): string {
  const file = join(bench.directory, `${name}.xml`)
  const users = join(bench.directory, `${name}-users.xml`)
  const user =
    '<password></password><networks><ip>127.0.0.1</ip></networks><profile>default</profile><quota>default</quota>'
  writeFileSync(
    users,
    `<clickhouse><users><default>${user}</default></users><profiles><default/></profiles><quotas><default/></quotas></clickhouse>`,
  )
  writeFileSync(
    file,
    `<clickhouse><users_config>${users}</users_config><enable_system_unfreeze>true</enable_system_unfreeze>
  <macros><shard>01</shard><replica>ch1</replica></macros>
  <remote_servers><posthog><shard><replica><host>127.0.0.1</host><port>9000</port></replica></shard></posthog></remote_servers>
</clickhouse>`,
  )
  return file
}

async function makeReplicated(name: string, engine: string, order: string): Promise<void> {
  const clauses = `PARTITION BY toYYYYMM(timestamp) ORDER BY ${order}`
  await source.run(
    `CREATE TABLE posthog.sharded_${name} (${COLUMNS}) ENGINE = ${engine} ${clauses}`,
    `INSERT INTO posthog.sharded_${name} SELECT toUUID(concat('00000000-0000-4000-8000-', leftPad(toString(number), 12, '0'))), '${name}', number % 3, toDateTime('2026-01-15 00:00:00') + number * 86400 AS at, number, repeat('p', number % 9), at, number, number % 2 FROM numbers(60)`,
  )
  const [table] = await source.rows(
    `SELECT uuid, metadata_path FROM system.tables WHERE database = 'posthog' AND name = 'sharded_${name}'`,
  )
  const [plain, rest = ''] = engine.split(/(?=\()/)
  const path = `'/clickhouse/tables/{shard}/posthog.${name}', '{replica}'${rest ? `, ${rest.slice(1, -1)}` : ''}`
  await source.run(`DETACH TABLE posthog.sharded_${name} SYNC`)
  rmSync(resolve(source.path, String(table?.['metadata_path'])))
  await source.run(
    `ATTACH TABLE posthog.sharded_${name} UUID '${String(table?.['uuid'])}' (${COLUMNS}) ENGINE = Replicated${plain}(${path}) ${clauses}`,
  )
}

/** Every table's CREATE statement, by name; the query of a dictionary may have its names in backticks. */
async function statements(engine: TestEngine, database: string): Promise<Record<string, string>> {
  const rows = await engine.rows(
    `SELECT name, create_table_query AS c FROM system.tables WHERE database = '${database}' AND name NOT LIKE '.inner%' ORDER BY name`,
  )
  return Object.fromEntries(
    rows.map((row) => [
      String(row['name']),
      String(row['c'])
        .replaceAll(/`(\w+)`\./g, '$1.')
        .replaceAll(/\.`(\w+)`/g, '.$1'),
    ]),
  )
}

/** The documented rewrites: plain engines, another database. */
async function expected(database: string): Promise<Record<string, string>> {
  const all = Object.entries(await statements(source, 'posthog'))
  return Object.fromEntries(
    all.map(([name, create]) => [
      name,
      create
        .replace(
          /Replicated(\w+)\('[^']*', '[^']*'(?:, )?([^)]*)\)/,
          (_, engine: string, rest: string) => engine + (rest && `(${rest})`),
        )
        .replaceAll(/\bposthog\.(?=[\w`])/g, `${database}.`)
        .replaceAll("DB 'posthog'", `DB '${database}'`)
        .replace("Distributed('posthog', 'posthog'", `Distributed('posthog', '${database}'`),
    ]),
  )
}

const DATA = [
  ...SHARDED.map(([name]) => `sharded_${name}`),
  'person',
  'person_distinct_id_overrides',
  'exchange_rate',
  'infi_clickhouse_orm_migrations',
  'events_by_day',
]

const QUEUES = SHARDED.map(([name]) => `kafka_${name}`)

/** Their views would wait for a broker for seconds each when they are dropped first. */
async function dropQueues(engine: TestEngine, database: string): Promise<void> {
  await Promise.all(QUEUES.map((name) => engine.run(`DROP TABLE ${database}.${name} SYNC`)))
}

/** Rows and hashes of every table, and every definition. */
async function contentsOf(engine: TestEngine, database: string) {
  const tables: Record<string, unknown> = {}
  for (const name of DATA) tables[name] = await fingerprint(engine, { database, name })
  return tables
}

/** Of what was restored: queues are detached, and not seen before they are attached. */
async function restoredTo(engine: TestEngine, database: string) {
  await Promise.all(QUEUES.map((name) => engine.run(`ATTACH TABLE ${database}.${name}`)))
  const definitions = await statements(engine, database)
  await dropQueues(engine, database)
  return { rows: await contentsOf(engine, database), definitions }
}

const wanted = async (database: string) => ({
  rows: await contentsOf(source, 'posthog'),
  definitions: await expected(database),
})

describe('a schema like that of PostHog', () => {
  it('is backed up whole, but for rows that no table holds', () => {
    expect(messages(backedUp, 'incomplete')).toEqual([])
    expect(messages(backedUp, 'damage')).toEqual([])
  })

  it('is restored into an empty engine: rows, hashes and CREATE statements are equal', async () => {
    const { findings, plan } = await bench.context(target, repository).restore(from, { engine: 'plain' })
    expect(messages(findings, 'incomplete')).toEqual([])
    expect(plan.leftOut).toEqual([])
    expect(await restoredTo(target, 'posthog')).toEqual(await wanted('posthog'))
    expect(await target.rows('SELECT * FROM posthog.a_view_of_a_view')).toEqual([{ teams: '3' }])
  })

  it('is refused where its cluster is not known, before anything is made', async () => {
    const stranger = await bench.engine('stranger')
    await expect(bench.context(stranger, repository).restore(from)).rejects.toMatchObject({
      code: 'CONFLICT',
      message: expect.stringContaining('needs the cluster posthog, which the server does not know'),
    })
    expect(await stranger.rows("SELECT name FROM system.databases WHERE name = 'posthog'")).toEqual([])
  })

  it('is restored in place, after it was destroyed', async () => {
    await target.run('DROP DATABASE posthog SYNC', 'DROP FUNCTION posthog_is_paid')
    await bench.context(target, repository).restore(from, { engine: 'plain' })
    expect(await restoredTo(target, 'posthog')).toEqual(await wanted('posthog'))
  })

  it('is restored beside itself, and everything in it speaks of itself', async () => {
    const { findings } = await bench
      .context(source, repository)
      .restore(from, { engine: 'plain', as: { database: 'beside' } })
    expect(messages(findings, 'incomplete')).toEqual([])
    expect(await restoredTo(source, 'beside')).toEqual(await wanted('beside'))
    expect(JSON.stringify(await statements(source, 'beside'))).not.toContain('posthog.')
  })
})
