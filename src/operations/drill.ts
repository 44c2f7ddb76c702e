import { drillSample } from '../core/drill-sample.ts'
import { hasCode, PermafrostError, toPermafrostError } from '../core/errors.ts'
import type { BackupSummary, TableEntry } from '../core/manifest.ts'
import type { WantedTable } from '../core/restore-plan.ts'
import { selectsEverything, selectTables } from '../core/selector.ts'
import type { Selector } from '../core/selector.ts'
import { displayName, identifier, sql, trusted } from '../core/sql.ts'
import { formatBytes, plural } from '../core/units.ts'
import { isMergeTree } from '../engine/catalog.ts'
import { createTable } from '../engine/create.ts'
import { disposableEngine } from '../engine/disposable.ts'
import type { DisposableEngine } from '../engine/disposable.ts'
import { embeddedReader } from '../engine/embedded.ts'
import type { Value } from '../engine/engine.ts'
import { attest, readDrills } from '../repository/attestations.ts'
import type { Attestation, DrilledCheck, DrilledTable, DrillReport } from '../repository/attestations.ts'
import { readContents, readPartitions, readSchemas } from '../repository/backups.ts'
import { poolOf } from './context.ts'
import type { Context } from './context.ts'
import { drillTable } from './drill-table.ts'
import { withPin } from './pin.ts'
import { progressMeter } from './progress.ts'

export interface DrillOptions {
  readonly backup: BackupSummary
  readonly selector: Selector
  /** SQL of the user's: a first row without a false value passes. */
  readonly checks: readonly string[]
  /** Bytes of parts to restore: with less than all of it, a sample that is another one each time. */
  readonly mostBytes?: number | undefined
  /** Where the disposable engine lies. */
  readonly scratch: string
  /** Write the result into the repository. */
  readonly record?: boolean | undefined
}

export interface DrillResult extends DrillReport {
  readonly backup: string
  readonly passed: boolean
  /** Whether it was all of the backup. */
  readonly whole: boolean
  readonly seconds: number
}

type DrillContext = Omit<Context, 'engine'>

/** Drills that the rotation remembers. */
const REMEMBERED = 200
/** Tables in the record; it has to stay a small one. */
const MOST_TABLES = 1000

/**
 * Restore a backup into a ClickHouse that is made for it and thrown away, let it check and read everything, and ask it the
 * user's own questions. Whatever goes wrong is in the result, which is written down: a drill that was begun and did not pass is
 * a failure, whatever the reason.
 *
 * @throws NOT_FOUND when no table is selected; CANCELLED, and then nothing is written down
 */
export async function drill(ctx: DrillContext, options: DrillOptions): Promise<DrillResult> {
  const started = ctx.clock().getTime()
  const all = await wantedTables(ctx, options)
  const tables = await sampled(ctx, all, options)
  const whole = selectsEverything(options.selector) && tables.every((table) => !table.some) && tables.length === all.length
  const work = () => rehearse(ctx, { tables, whole, options })
  const report = await withPin(ctx, { backup: options.backup.id, reason: 'drill' }, work)
  const result: DrillResult = {
    backup: options.backup.id,
    passed: problemsOf(report).length === 0,
    whole,
    ...report,
    seconds: (ctx.clock().getTime() - started) / 1000,
  }
  if (options.record ?? true) await record(ctx, result)
  return result
}

/** Everything that speaks against it, in one list. */
export function problemsOf({ tables, checks, problems }: DrillReport): readonly string[] {
  const failed = checks.filter((check) => check.result === 'failed')
  return [
    ...problems,
    ...tables.flatMap((table) => table.problems),
    ...failed.map(({ sql: text, message }) => `check ${text}: ${message}`),
  ]
}

async function wantedTables(
  { repository }: DrillContext,
  { backup, selector }: DrillOptions,
): Promise<readonly WantedTable[]> {
  const entries = selectTables(selector, (await readContents(repository, backup.id)).tables).filter(isMergeTree)
  if (entries.length === 0)
    throw new PermafrostError('NOT_FOUND', `no table with parts of backup ${backup.id} is selected`, {
      hint: `permafrost show ${backup.id}`,
    })
  const [partitions, schemas] = await Promise.all([
    readPartitions(repository, entries),
    readSchemas(repository, entries),
  ])
  return entries.flatMap((entry, index) => {
    const schema = schemas[index]
    return schema ? [{ entry, schema, partitions: partitions[index] ?? [], some: false }] : []
  })
}

async function sampled(
  { repository, random }: DrillContext,
  tables: readonly WantedTable[],
  { mostBytes }: DrillOptions,
): Promise<readonly WantedTable[]> {
  if (mostBytes === undefined || bytesOf(tables) <= mostBytes) return tables
  const drilled = new Map<string, string>()
  for (const { drill: report, at } of (await readDrills(repository, REMEMBERED)).toReversed())
    for (const { table } of report?.tables ?? []) drilled.set(table, at)
  return drillSample(tables, {
    most: mostBytes,
    drilledAt: (entry) => drilled.get(displayName(entry)),
    random: () => new DataView(Uint8Array.from(random(4)).buffer).getUint32(0) / 2 ** 32,
  })
}

interface Rehearsal {
  readonly tables: readonly WantedTable[]
  readonly whole: boolean
  readonly options: DrillOptions
}

async function rehearse(ctx: DrillContext, { tables, whole, options }: Rehearsal): Promise<DrillReport> {
  const drilled: DrilledTable[] = []
  const problems: string[] = []
  let checks: readonly DrilledCheck[] = options.checks.map((text) => ({ sql: text, result: 'skipped' }))
  let doing = 'start'
  try {
    await using engine = await disposableEngine({ ...ctx, scratch: options.scratch })
    await refuseWithoutSpace(engine, tables, options.scratch)
    const info = await engine.describe()
    const total = { parts: tables.flatMap(({ partitions }) => partitions).reduce((n, one) => n + one.parts, 0), bytes: bytesOf(tables) }
    const progress = progressMeter(ctx, { phase: 'fetch', total })
    await using pool = poolOf(ctx, (bytes) => progress.moved(bytes))
    const message = `drill of ${options.backup.id}: ${plural(tables.length, 'table')}, ${formatBytes(total.bytes)}`
    ctx.emit({ type: 'phase', phase: 'fetch', message })
    for (const [index, wanted] of tables.entries()) {
      ctx.signal.throwIfAborted()
      doing = displayName(wanted.entry)
      await engine.command(sql`CREATE DATABASE IF NOT EXISTS ${identifier(wanted.entry.database)}`)
      try {
        drilled.push(await drillTable({ wanted, key: `drill${index}` }, { ...ctx, engine, info, pool, progress }))
      } catch (error) {
        if (!hasCode(error, 'ENGINE_REFUSED')) throw error
        drilled.push(failedTable(wanted.entry, error.message))
      }
    }
    doing = 'the checks'
    // A question about rows that were left out would be answered wrongly.
    if (whole) {
      await makeViews(ctx, engine, options)
      checks = await askChecks(ctx, engine, options.checks)
    }
  } catch (error) {
    if (ctx.signal.aborted) throw error
    problems.push(stopped(toPermafrostError(error), doing))
  }
  const restoreSeconds = drilled.reduce((sum, table) => sum + table.restoreSeconds, 0)
  const bytes = drilled.reduce((sum, table) => sum + table.bytes, 0)
  const estimate = bytes > 0 ? { estimate: (restoreSeconds * options.backup.logical) / bytes } : {}
  return { tables: drilled, checks, problems, restoreSeconds, ...estimate }
}

function failedTable(entry: TableEntry, message: string): DrilledTable {
  const problems = [`${displayName(entry)}: cannot be made: ${message}`]
  const nothing = { parts: 0, rows: 0, bytes: 0, restoreSeconds: 0, checkSeconds: 0, whole: false }
  return { table: displayName(entry), ...nothing, problems }
}

function stopped(error: PermafrostError, doing: string): string {
  if (error.code !== 'ENGINE_UNAVAILABLE' || doing === 'start') return error.message
  return `the drill’s ClickHouse died in the middle, at ${doing}: ${error.message}`
}

async function refuseWithoutSpace(
  engine: DisposableEngine,
  tables: readonly WantedTable[],
  scratch: string,
): Promise<void> {
  const { disks } = await engine.describe()
  const free = disks.reduce((sum, disk) => sum + disk.freeBytes, 0)
  const need = bytesOf(tables)
  if (need <= free) return
  const message = `too little disk: the drill needs ${formatBytes(need)}, and ${scratch} has ${formatBytes(free)} free`
  throw new PermafrostError('STORAGE_UNAVAILABLE', message, { hint: 'give another --scratch, or less with --max-bytes' })
}

/** Plain views write nothing, and the user's checks may ask them. One that needs what is not here stays away. */
async function makeViews(ctx: DrillContext, engine: DisposableEngine, { backup, selector }: DrillOptions): Promise<void> {
  const { tables } = await readContents(ctx.repository, backup.id)
  const views = selectTables(selector, tables).filter((table) => table.engine === 'View')
  const schemas = await readSchemas(ctx.repository, views)
  const info = await engine.describe()
  for (const [index, view] of views.entries()) {
    const as = { database: view.database, name: view.name }
    await createTable(engine, info, { create: schemas[index]?.create ?? '', as }).catch((error: unknown) => {
      if (!hasCode(error, 'ENGINE_REFUSED')) throw error
      const message = `the view is not in the drill: ${error.message}`
      ctx.emit({ type: 'finding', severity: 'note', object: displayName(view), message })
    })
  }
}

async function askChecks(
  { random, signal }: DrillContext,
  { path }: DisposableEngine,
  checks: readonly string[],
): Promise<readonly DrilledCheck[]> {
  await using reader = embeddedReader({ path, random })
  const results: DrilledCheck[] = []
  for (const check of checks) {
    try {
      const [row] = await reader.query(trusted(check), { signal, settings: { readonly: 2 } })
      const passed = row !== undefined && Object.values(row).every(isTrue)
      const said = row === undefined ? 'no row' : Object.values(row).join(', ')
      results.push(passed ? { sql: check, result: 'ok' } : { sql: check, result: 'failed', message: `returned ${said}` })
    } catch (error) {
      if (!hasCode(error, 'ENGINE_REFUSED')) throw error
      results.push({ sql: check, result: 'failed', message: error.message })
    }
  }
  return results
}

function isTrue(value: Value): boolean {
  return value !== null && !['', '0', 'false'].includes(String(value))
}

function bytesOf(tables: readonly WantedTable[]): number {
  return tables.flatMap(({ partitions }) => partitions).reduce((sum, { bytes }) => sum + bytes, 0)
}

/** A result that cannot be written down is still a result. */
async function record({ repository, random, clock, self, version, emit }: DrillContext, result: DrillResult): Promise<void> {
  const { backup, passed, whole, seconds, tables, checks, problems, restoreSeconds, estimate } = result
  const sum = (count: (table: DrilledTable) => number) => tables.reduce((total, table) => total + count(table), 0)
  const attestation: Attestation = {
    backup,
    level: 4,
    at: clock().toISOString(),
    by: self.host,
    permafrost: version,
    result: passed ? 'ok' : 'failed',
    whole,
    parts: sum((table) => table.parts),
    bytes: sum((table) => table.bytes),
    seconds,
    problems: problemsOf(result).length,
    bad: [],
    drill: { tables: tables.slice(0, MOST_TABLES).map(shortened), checks, problems, restoreSeconds, estimate },
  }
  try {
    await attest(repository, attestation, random)
  } catch (error) {
    const message = `could not be written down: ${toPermafrostError(error).message}`
    emit({ type: 'finding', severity: 'warning', object: 'result', message })
  }
}

function shortened(table: DrilledTable): DrilledTable {
  return { ...table, problems: table.problems.slice(0, 20).map((problem) => problem.slice(0, 500)) }
}
