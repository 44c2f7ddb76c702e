import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { classifyPostHog } from '../../src/core/posthog.ts'
import type { BackupResult } from '../../src/operations/backup.ts'
import { checkPostHog } from '../../src/operations/check-posthog.ts'
import type { Finding } from '../../src/core/events.ts'
import { messages, workbench } from '../helpers/workbench.ts'
import type { TestContext, TestEngine, Workbench } from '../helpers/workbench.ts'

let bench: Workbench
let engine: TestEngine
let ctx: TestContext
let made: BackupResult

beforeAll(async () => {
  bench = await workbench()
  engine = await bench.engine('engine')
  await engine.run(
    'CREATE DATABASE posthog',
    'CREATE TABLE posthog.sharded_events (uuid UInt64, team_id Int64, timestamp DateTime) ENGINE = ReplacingMergeTree ORDER BY (team_id, uuid)',
    "INSERT INTO posthog.sharded_events SELECT number, number % 2, '2026-11-01 10:00:00' FROM numbers(100)",
    'CREATE TABLE posthog.infi_clickhouse_orm_migrations (package_name String, module_name String) ENGINE = MergeTree ORDER BY module_name',
    "INSERT INTO posthog.infi_clickhouse_orm_migrations VALUES ('posthog.clickhouse.migrations', '0001_initial'), ('posthog.clickhouse.migrations', '0002_more')",
    'CREATE TABLE posthog.adhoc_events_deletion (team_id Int64, uuid UInt64) ENGINE = MergeTree ORDER BY uuid',
    'INSERT INTO posthog.adhoc_events_deletion VALUES (1, 7)',
    'CREATE TABLE posthog.person (nothing UInt8) ENGINE = MergeTree ORDER BY nothing',
    'CREATE TABLE posthog.sharded_app_metrics2 (k UInt8) ENGINE = MergeTree ORDER BY k',
    'CREATE TABLE posthog.web_stats_daily (k UInt8) ENGINE = MergeTree ORDER BY k',
    'CREATE TABLE posthog.something_new (k UInt8) ENGINE = MergeTree ORDER BY k',
  )
  ctx = bench.context(engine, await bench.repository('repository'))
  made = await ctx.backup({ tables: ['posthog.*'], classify: classifyPostHog })
})
afterAll(() => bench[Symbol.asyncDispose]())

describe('the PostHog profile', () => {
  it('leaves out what can be made again, each with its reason, and keeps what it does not know', () => {
    expect(made.summary).toMatchObject({ tables: 5, status: 'complete' })
    expect([...messages(made.findings, 'note')].sort()).toEqual([
      'posthog.sharded_app_metrics2: transient, and left out: diagnostics of the ingestion, which expire within weeks',
      'posthog.web_stats_daily: rebuildable, and left out: aggregated from the events again, when it is missing',
    ])
  })

  it('asks after a restore, shows its SQL, names deletions that are undone and what it could not ask', async () => {
    const { tables } = await ctx.restore(made.summary, { as: { database: 'was' } })
    const findings: Finding[] = []
    const emit: typeof ctx.emit = (event) => void (event.type === 'finding' && findings.push(event))
    const answers = await checkPostHog(
      { engine, emit },
      tables.map(({ table }) => table),
    )
    const [events, migrations] = answers
    expect(events?.rows).toMatchObject([
      { team_id: '0', day: '2026-11-01', events: '50' },
      { team_id: '1', day: '2026-11-01', events: '50' },
    ])
    expect(migrations?.rows).toMatchObject([{ newest: '0002_more', migrations: '2' }])
    for (const { statement, rows } of answers) expect(await engine.rows(statement)).toEqual(rows)
    expect(messages(findings, 'warning')).toEqual([
      expect.stringContaining('was.person: could not be checked'),
      expect.stringMatching(/^was\.adhoc_events_deletion: deletions .* apply them again$/),
    ])
  })
})
