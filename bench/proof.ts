import { randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { DEMO_SCHEMA, events } from '../src/cli/demo/demo-data.ts'
import { sql, trusted } from '../src/core/sql.ts'
import type { Sql } from '../src/core/sql.ts'
import { embeddedEngine } from '../src/engine/embedded.ts'
import type { Engine } from '../src/engine/engine.ts'
import { MACHINE } from './machine.ts'
import { median } from './measure.ts'
import { nativeConfig } from './native-config.ts'
import { observe } from './observe.ts'
import type { Observation } from './observe.ts'
import { PERMAFROST_MAIN } from './peers.ts'
import { proofMarkdown } from './proof-report.ts'
import type { Asked, Proof, Timed } from './proof-report.ts'

// What it costs to ask an encrypted backup, and to prove it by a drill; side by side with what one does otherwise: restore it
// first, by Permafrost or by ClickHouse's own RESTORE, and ask or look then. Every answer is compared with the live engine's.

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    rounds: { type: 'string' },
    directory: { type: 'string', default: tmpdir() },
    json: { type: 'string' },
  },
})
const rounds = Number(values.rounds ?? (values.quick ? 1 : 3))
const scale = values.quick ? 0.1 : 1

const BY_EVENT = 'SELECT event, count() FROM posthog.sharded_events GROUP BY event ORDER BY event'
const BY_KEY = 'SELECT cityHash64(payload) FROM posthog.lookup WHERE id = '
const LOOKUP_PARTS = 100

const home = mkdtempSync(join(values.directory, 'permafrost-proof-'))
try {
  const proof = await prove()
  process.stdout.write(proofMarkdown(proof))
  if (values.json) writeFileSync(values.json, `${JSON.stringify(proof, null, 2)}\n`)
} finally {
  rmSync(home, { recursive: true, force: true })
}

async function prove(): Promise<Proof> {
  const path = join(home, 'clickhouse')
  const config = join(home, 'clickhouse.xml')
  writeFileSync(config, nativeConfig(join(path, 'backups')))
  await using engine = await embeddedEngine({ path, config, random: randomBytes })
  say('making the data')
  for (const statement of makeData()) await engine.command(statement)
  const permafrost = await configured(path)
  say('the backups')
  await permafrost('repo', 'init')
  await permafrost('backup')
  await engine.command(trusted("BACKUP DATABASE posthog TO File('native')"))

  const asked: Asked[] = []
  const native: Proof['native'][number][] = []
  const timed: Timed[] = []
  for (let round = 1; round <= rounds; round++) {
    const note = ({ what, first, wall }: { what: string; first?: number; wall: number }): void =>
      say(`round ${round}, ${what}: ${(first ?? wall).toFixed(2)} s`)
    const key = `${BY_KEY}${lookupRows() * (LOOKUP_PARTS / 2) + round * 7}`
    for (const [what, statement] of [
      ['events by kind', BY_EVENT],
      ['one row by its key', key],
    ] as const) {
      const seen = await permafrost('query', 'latest', statement)
      const live = await answerOf(engine, statement)
      if (seen.stdout !== live) throw new Error(`${what}: the backup answers ${seen.stdout}, the live engine ${live}`)
      asked.push({ what, ...figures(seen), ...fetchedOf(seen.stderr) })
      note({ what, ...seen })
      const wall = await askNative(engine, { statement, live })
      native.push({ what, wall })
      note({ what: `${what}, BACKUP as a database`, wall })
    }
    const actions: readonly (readonly [Timed['what'], () => Promise<Partial<Observation>>])[] = [
      ['drill', () => permafrost('drill', 'latest')],
      ['restore', () => permafrost('restore', 'latest', '--as', 'restored')],
      ['RESTORE', () => engine.command(trusted("RESTORE DATABASE posthog AS restored FROM File('native')")).then(none)],
      ['restore, one table', () => permafrost('restore', 'latest', '-t', 'posthog.sharded_events', '--as', 'restored')],
      ['RESTORE, one table', () => restoreOneTable(engine)],
    ]
    const turn = round % actions.length
    for (const [what, act] of [...actions.slice(turn), ...actions.slice(0, turn)]) {
      const begin = performance.now()
      const seen = await act()
      const wall = (performance.now() - begin) / 1000
      timed.push({ what, ...figures(seen), wall })
      note({ what, wall })
      await engine.command(sql`DROP DATABASE IF EXISTS restored SYNC`)
    }
  }
  return {
    machine: MACHINE,
    rounds,
    events: await sizeOf(engine, 'sharded_events'),
    lookup: await sizeOf(engine, 'lookup'),
    liveQuery: await liveSeconds(engine),
    asked,
    native,
    timed,
  }
}

/** Wide events as PostHog has them, six months of them; and a table of a hundred parts, a row of which is looked up. */
function makeData(): readonly Sql[] {
  const months = Array.from({ length: 6 }, (_, month) => month)
  const rows = Math.round(560_000 * scale)
  const inserts = months.flatMap((month) =>
    [0, 1, 2].map((n) => events({ from: (month * 3 + n) * rows, rows, firstMonth: month, months: 1 })),
  )
  return [
    ...DEMO_SCHEMA.slice(0, 2),
    ...inserts,
    trusted('OPTIMIZE TABLE posthog.sharded_events FINAL'),
    trusted(`CREATE TABLE posthog.lookup (id UInt64, payload String) ENGINE = MergeTree
      PARTITION BY intDiv(id, ${lookupRows()}) ORDER BY id SETTINGS min_bytes_for_wide_part = 0, index_granularity = 1024`),
    trusted(
      `INSERT INTO posthog.lookup SELECT number, randomString(1000) FROM numbers(${lookupRows() * LOOKUP_PARTS})`,
    ),
  ]
}

/** Rows of each part of the table that is looked up in, a kilobyte each. A part below 1 MiB would be one frame: all or nothing. */
function lookupRows(): number {
  return Math.max(2500, Math.round(10_000 * scale))
}

/** The command line as it is shipped, with an encrypted repository. */
async function configured(path: string): Promise<(...args: readonly string[]) => Promise<Observation>> {
  const { url, user } = JSON.parse(readFileSync(join(path, '.permafrost', 'engine.json'), 'utf8')) as {
    readonly url: string
    readonly user: string
  }
  const file = join(home, 'permafrost.yaml')
  mkdirSync(join(home, 'scratch'))
  // JSON is YAML.
  const settings = {
    clickhouse: { url, user },
    repository: { url: `file://${home}/repository`, key: '${file:./key}' },
    select: { tables: ['posthog.*'] },
    drill: { scratch: './scratch' },
  }
  writeFileSync(file, JSON.stringify(settings))
  return (...args) => observe([process.execPath, PERMAFROST_MAIN, '-c', file, '--progress', 'none', ...args])
}

async function answerOf(engine: Engine, statement: string): Promise<string> {
  const rows = await engine.query(trusted(statement))
  return rows.map((row) => `${Object.values(row).join('\t')}\n`).join('')
}

/** Seconds of a question to ClickHouse's own backup, which it opens as a database: unencrypted, by the server that is there. */
async function askNative(
  engine: Engine,
  { statement, live }: { readonly statement: string; readonly live: string },
): Promise<number> {
  const begin = performance.now()
  await engine.command(trusted("CREATE DATABASE asked ENGINE = Backup('posthog', File('native'))"))
  const answer = await answerOf(engine, statement.replaceAll('posthog.', 'asked.'))
  const wall = (performance.now() - begin) / 1000
  if (answer !== live) throw new Error(`${statement}: BACKUP answers ${answer}, the live engine ${live}`)
  await engine.command(sql`DROP DATABASE asked SYNC`)
  return wall
}

async function restoreOneTable(engine: Engine): Promise<Partial<Observation>> {
  await engine.command(sql`CREATE DATABASE restored`)
  const statement = "RESTORE TABLE posthog.sharded_events AS restored.sharded_events FROM File('native')"
  await engine.command(trusted(statement))
  return {}
}

function none(): Partial<Observation> {
  return {}
}

function figures({ first, wall, cpu, memory }: Partial<Observation>) {
  return { first: first ?? Number.NaN, wall: wall ?? Number.NaN, cpu: cpu ?? Number.NaN, memory: memory ?? Number.NaN }
}

/** What the command says beside its answer. */
function fetchedOf(said: string): { readonly fetched: string; readonly share: number } {
  const [, fetched, share] = /^fetched (.+?) that its tables.*\(([\d.]+) %\)$/m.exec(said) ?? []
  if (fetched === undefined) throw new Error(`it did not say what it fetched: ${said}`)
  return { fetched, share: Number(share) }
}

async function liveSeconds(engine: Engine): Promise<number> {
  const times: number[] = []
  for (let n = 0; n < 5; n++) {
    const begin = performance.now()
    await answerOf(engine, BY_EVENT)
    times.push((performance.now() - begin) / 1000)
  }
  return median(times)
}

async function sizeOf(engine: Engine, table: string): Promise<Proof['events']> {
  const [row] = await engine.query(
    sql`SELECT sum(bytes_on_disk) AS bytes, count() AS parts, countIf(part_type = 'Wide') AS wide FROM system.parts WHERE database = 'posthog' AND table = ${table} AND active`,
  )
  return { bytes: Number(row?.['bytes']), parts: Number(row?.['parts']), wide: Number(row?.['wide']) }
}

function say(text: string): void {
  process.stderr.write(`${text}\n`)
}
