import { PermafrostError } from '../../core/errors.ts'
import { parseSelector } from '../../core/selector.ts'
import { displayName, sql, trusted } from '../../core/sql.ts'
import type { TableName } from '../../core/sql.ts'
import { formatBytes, formatSeconds, plural } from '../../core/units.ts'
import { readCatalog } from '../../engine/catalog.ts'
import { backup } from '../../operations/backup.ts'
import type { Context } from '../../operations/context.ts'
import { prepareRestore } from '../../operations/restore.ts'
import { prepareDrill } from '../../operations/drill.ts'
import { drillProblems } from '../../operations/drill-problems.ts'
import { verify } from '../../operations/verify.ts'
import { withView } from '../../operations/view.ts'
import type { BackupSummary } from '../../core/manifest.ts'
import type { RestoreWish } from '../../core/restore-plan.ts'
import { columnHashes, differences } from './column-hashes.ts'
import type { ColumnHashes } from './column-hashes.ts'
import { changes, DEMO_SCHEMA, events, people } from './demo-data.ts'

const DATABASE = 'posthog'
const BESIDE = 'posthog_before'
const QUESTION = 'SELECT event, count() FROM posthog.sharded_events GROUP BY event ORDER BY event'
const EVENT_ROWS = 1_000_000
const PEOPLE = 400_000

export interface DemoResult {
  readonly first: BackupSummary
  readonly second: BackupSummary
  readonly columns: number
  readonly seconds: number
}

export interface DemoContext extends Context {
  /** Where disposable engines are made. */
  readonly scratch: string
}

/** Tells the story and checks it: every claim that it prints is compared, and one that is wrong ends the demo as an error. */
export async function runDemo(ctx: DemoContext, tell: (line: string) => void): Promise<DemoResult> {
  const started = ctx.clock().getTime()
  const lap = stopwatch(ctx.clock)

  tell('\n1  A ClickHouse with a small PostHog in it')
  await fill(ctx)
  const before = await hashAll(ctx, DATABASE)
  tell(`   ${plural(before.size, 'table')}, ${plural(totalRows(before), 'row')}, in ${lap()}`)

  tell('\n2  The first backup stores everything')
  const first = await backUp(ctx, lap, tell)

  tell('\n3  A day goes by')
  for (const [what, statement] of changes()) {
    await ctx.engine.command(statement, { signal: ctx.signal })
    tell(`   ${what}`)
  }
  const after = await hashAll(ctx, DATABASE)
  lap()

  tell('\n4  The second backup stores what is new, and is as complete as the first')
  const second = await backUp(ctx, lap, tell)
  tell(`   ${percent(second.reused, second.logical)} of it was in the repository: no byte of it was read again`)

  tell('\n5  Disaster: somebody drops the persons')
  await ctx.engine.command(sql`DROP TABLE ${{ database: DATABASE, name: 'person' }} SYNC`)

  tell('\n6  In place: the table comes back from the second backup')
  await restore(ctx, { backup: second, tables: [`${DATABASE}.person`], wish: { mode: 'all' } })
  tell(`   ${DATABASE}.person restored, in ${lap()}`)
  const columns = await compare(ctx, after, DATABASE)
  tell(`   every column of every table compared with the moment of the backup: ${columns} equal`)

  tell('\n7  Beside: the whole of the first backup, as it was a day ago')
  await restore(ctx, { backup: first, tables: [], wish: { mode: 'all', as: { database: BESIDE } } })
  tell(`   database ${BESIDE} restored, in ${lap()}`)
  const old = await compare(ctx, before, BESIDE)
  tell(`   every column of every table compared with the moment of the backup: ${old} equal`)

  tell('\n8  Proof: every stored byte is read, decrypted and compared with ClickHouse’s own checksums')
  const checked = await verify(ctx, { backups: [first.id, second.id], level: 'content', selector: parseSelector([]) })
  if (checked.findings.length > 0)
    throw new PermafrostError('DAMAGED', `verify found ${checked.findings.length} problems`)
  tell(
    `   ${plural(checked.parts, 'part')}, ${formatBytes(checked.bytes)}, ${plural(checked.packs, 'pack')}: all of it is right, in ${lap()}`,
  )

  tell('\n9  A question to a backup, in place: nothing is restored, only the column that it needs is fetched')
  tell(`   events by kind, as the live ClickHouse counts them: ${await askBackup(ctx, second)}, in ${lap()}`)

  tell('\n10 A drill: the backup is restored into a ClickHouse that is thrown away afterwards')
  tell(`   ${await drillBackup(ctx, second)}, in ${lap()}`)

  return { first, second, columns: columns + old, seconds: (ctx.clock().getTime() - started) / 1000 }
}

async function fill({ engine, signal }: Context): Promise<void> {
  for (const statement of DEMO_SCHEMA) await engine.command(statement, { signal })
  const inserts = [events({ from: 0, rows: EVENT_ROWS, firstMonth: 0, months: 6 }), ...people(PEOPLE)]
  for (const statement of inserts) await engine.command(statement, { signal })
}

async function backUp(ctx: Context, lap: () => string, tell: (line: string) => void): Promise<BackupSummary> {
  const { summary, findings } = await backup(ctx, { selector: parseSelector([`${DATABASE}.*`]) })
  if (findings.length > 0)
    throw new PermafrostError(
      'INCOMPLETE',
      `the backup has ${findings.length} findings, the first: ${findings[0]?.message}`,
    )
  tell(
    `   ${summary.id}: ${plural(summary.parts, 'part')}, ${formatBytes(summary.logical)}; stored ${formatBytes(summary.stored)}, reused ${formatBytes(summary.reused)}, in ${lap()}`,
  )
  return summary
}

async function restore(
  ctx: Context,
  {
    backup: from,
    tables,
    wish,
  }: { readonly backup: BackupSummary; readonly tables: readonly string[]; readonly wish: RestoreWish },
): Promise<void> {
  const prepared = await prepareRestore(ctx, { backup: from, selector: parseSelector(tables), partitions: [], wish })
  const { findings } = await prepared.run()
  if (findings.length > 0)
    throw new PermafrostError(
      'INCOMPLETE',
      `the restore has ${findings.length} findings, the first: ${findings[0]?.message}`,
    )
}

/** @returns how much of what is stored was fetched */
async function askBackup(ctx: DemoContext, from: BackupSummary): Promise<string> {
  const rows = await ctx.engine.query(trusted(QUESTION))
  const live = rows.map((row) => `${Object.values(row).join('\t')}\n`).join('')
  const view = { backups: [{ backup: from }], selector: parseSelector([]), partitions: [], scratch: ctx.scratch }
  return withView(ctx, view, async (asked) => {
    const chunks: Uint8Array[] = []
    for await (const chunk of asked.ask(QUESTION, { format: 'TabSeparated' })) chunks.push(chunk)
    if (Buffer.concat(chunks).toString() !== live)
      throw new PermafrostError('DAMAGED', 'the backup answers otherwise than the live ClickHouse')
    const { fetched: bytes, stored } = asked.fetched()
    return `${formatBytes(bytes)} of ${formatBytes(stored)} fetched (${percent(bytes, stored)})`
  })
}

async function drillBackup(ctx: DemoContext, from: BackupSummary): Promise<string> {
  const checks = ['SELECT count() > 0 FROM posthog.sharded_events']
  const options = { backup: from, selector: parseSelector([]), checks, scratch: ctx.scratch }
  const result = await (await prepareDrill(ctx, options)).run()
  const [problem] = drillProblems(result)
  if (problem !== undefined) throw new PermafrostError('DRILL_FAILED', `the drill did not pass: ${problem}`)
  const rows = result.tables.reduce((sum, table) => sum + table.rows, 0)
  return `${plural(result.tables.length, 'table')}, ${plural(rows, 'row')} restored in ${formatSeconds(result.restoreSeconds)}, every part checked by ClickHouse, every row read`
}

type Hashes = ReadonlyMap<string, ColumnHashes>

async function hashAll({ engine }: Context, database: string): Promise<Hashes> {
  const tables = (await readCatalog(engine, await engine.describe())).filter((table) => table.database === database)
  const hashes = new Map<string, ColumnHashes>()
  for (const table of tables) hashes.set(table.name, await columnHashes(engine, table))
  return hashes
}

async function compare(ctx: Context, expected: Hashes, database: string): Promise<number> {
  const now = await hashAll(ctx, database)
  let columns = 0
  for (const [name, hashes] of expected) {
    const table: TableName = { database, name }
    const wrong = differences(hashes, now.get(name) ?? new Map())
    if (wrong.length > 0)
      throw new PermafrostError('DAMAGED', `${displayName(table)} differs after the restore, in ${wrong.join(', ')}`)
    columns += hashes.size - 1
  }
  return columns
}

function totalRows(hashes: Hashes): number {
  return [...hashes.values()].reduce((sum, columns) => sum + Number(columns.get('count()')), 0)
}

function percent(part: number, whole: number): string {
  return `${((100 * part) / whole).toFixed(1)} %`
}

function stopwatch(clock: () => Date): () => string {
  let last = clock().getTime()
  return () => {
    const now = clock().getTime()
    const seconds = (now - last) / 1000
    last = now
    return formatSeconds(seconds)
  }
}
