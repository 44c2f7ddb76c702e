import { drillSample } from '../core/drill-sample.ts'
import { NO_DEFINITIONS } from '../core/definitions.ts'
import { PermafrostError, toPermafrostError } from '../core/errors.ts'
import { collectFindings } from '../core/events.ts'
import type { BackupSummary } from '../core/manifest.ts'
import { selectsEverything } from '../core/selector.ts'
import type { Selector } from '../core/selector.ts'
import { displayName, identifier, sql } from '../core/sql.ts'
import { formatBytes, plural } from '../core/units.ts'
import { createObject } from '../engine/create.ts'
import { disposableEngine } from '../engine/disposable.ts'
import type { DisposableEngine } from '../engine/disposable.ts'
import { readDrills } from '../repository/attestations.ts'
import type { DrilledCheck, DrilledTable, DrillReport } from '../repository/attestations.ts'
import { readContents } from '../repository/backups.ts'
import type { Context } from './context.ts'
import { askChecks } from './drill-checks.ts'
import { drillProblems } from './drill-problems.ts'
import { drillTable } from './drill-table.ts'
import { withPin } from './pin.ts'
import { progressMeter } from './progress.ts'
import { recordDrill } from './record-drill.ts'
import { repositorySource } from './repository-source.ts'
import type { RestoreContext } from './restore-context.ts'
import type { ChosenTable, RestoreSource, SourceContents } from './restore-source.ts'
import { stagingError } from './stage-parts.ts'

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

/** What a drill would restore. */
export interface DrillPlan {
  readonly backup: string
  readonly tables: readonly PlannedTable[]
  readonly bytes: number
  /** Whether it is all of the backup. */
  readonly whole: boolean
}

export interface PlannedTable {
  readonly table: string
  readonly partitions: number
  readonly parts: number
  readonly rows: number
  readonly bytes: number
  readonly whole: boolean
}

export interface DrillResult extends DrillReport {
  readonly backup: string
  readonly passed: boolean
  /** Whether bytes of the backup are missing or wrong. */
  readonly damaged: boolean
  /** Whether it was all of the backup. */
  readonly whole: boolean
  readonly seconds: number
}

export interface PreparedDrill {
  readonly plan: DrillPlan
  /** Whatever goes wrong is in the result, which is written down. @throws CANCELLED, and then nothing is written down */
  run(): Promise<DrillResult>
}

type DrillContext = Omit<Context, 'engine'>

/** Drills that the rotation remembers. */
const REMEMBERED = 200

/**
 * Restore a backup into a ClickHouse that is made for it and thrown away, let it check and read everything, and ask it the
 * user's own questions. A drill that was begun and did not pass is a failure, whatever the reason.
 *
 * @throws NOT_FOUND when no table is selected, DAMAGED when the list of tables does not read
 */
export async function prepareDrill(ctx: DrillContext, options: DrillOptions): Promise<PreparedDrill> {
  const { backup, selector } = options
  const source = repositorySource(ctx, backup)
  const contents = await source.read({ selector, partitions: [], mode: 'all' })
  const all = contents.tables.map((table): ChosenTable => ({ ...table, some: false }))
  if (all.length === 0)
    throw new PermafrostError('NOT_FOUND', `no table with rows of backup ${backup.id} is selected`, {
      hint: `permafrost show ${backup.id}`,
    })
  const tables = await sampled(ctx, all, options)
  const whole = selectsEverything(selector) && tables.every((table) => !table.some) && tables.length === all.length
  const plan = { backup: backup.id, tables: tables.map(planned), bytes: bytesOf(tables), whole }
  const run = async (): Promise<DrillResult> => {
    const started = ctx.clock().getTime()
    const { emit, findings } = collectFindings(ctx.emit)
    const work = () => rehearse({ ...ctx, emit }, { source, contents, tables, plan, options })
    const report = await withPin(ctx, { backup: backup.id, reason: 'drill' }, work)
    const result: DrillResult = {
      backup: backup.id,
      passed: drillProblems(report).length === 0,
      damaged: findings.some(({ severity }) => severity === 'damage'),
      whole,
      ...report,
      seconds: (ctx.clock().getTime() - started) / 1000,
    }
    if (options.record ?? true) await recordDrill(ctx, result)
    return result
  }
  return { plan, run }
}

async function sampled(
  { repository, random }: DrillContext,
  tables: readonly ChosenTable[],
  { mostBytes }: DrillOptions,
): Promise<readonly ChosenTable[]> {
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
  readonly source: RestoreSource
  readonly contents: SourceContents
  readonly tables: readonly ChosenTable[]
  readonly plan: DrillPlan
  readonly options: DrillOptions
}

async function rehearse(ctx: DrillContext, rehearsal: Rehearsal): Promise<DrillReport> {
  const { contents, tables, plan, options } = rehearsal
  const drilled: DrilledTable[] = []
  const problems: string[] = []
  let checks: readonly DrilledCheck[] = options.checks.map((text) => ({ sql: text, result: 'skipped' }))
  let doing: string | undefined
  try {
    await using engine = await disposableEngine({ ...ctx, scratch: options.scratch })
    await refuseWithoutSpace(engine, plan, options.scratch)
    const info = await engine.describe()
    const { definitions = NO_DEFINITIONS } = await readContents(ctx.repository, options.backup.id)
    const functions = definitions.server.filter(({ kind }) => kind === 'function')
    for (const { statements } of functions)
      for (const statement of statements) await createObject(engine, info, statement)
    const parts = plan.tables.reduce((sum, table) => sum + table.parts, 0)
    const progress = progressMeter(ctx, { phase: 'fetch', total: { parts, bytes: plan.bytes } })
    await using loader = rehearsal.source.open((bytes) => progress.moved(bytes))
    const message = `drill of ${plan.backup}: ${plural(tables.length, 'table')}, ${formatBytes(plan.bytes)}`
    ctx.emit({ type: 'phase', phase: 'fetch', message })
    for (const [index, wanted] of tables.entries()) {
      ctx.signal.throwIfAborted()
      doing = displayName(wanted.entry)
      await engine.command(sql`CREATE DATABASE IF NOT EXISTS ${identifier(wanted.entry.database)}`)
      drilled.push(await tryTable({ wanted, key: `drill${index}` }, { ...ctx, engine, info, loader, progress }))
    }
    doing = 'the checks'
    // A question about rows that were left out would be answered wrongly.
    if (plan.whole) checks = await askChecks(ctx, engine, { views: contents.objects, checks: options.checks })
  } catch (error) {
    if (ctx.signal.aborted) throw error
    problems.push(stopped(toPermafrostError(error), doing))
  }
  const restoreSeconds = drilled.reduce((sum, table) => sum + table.restoreSeconds, 0)
  const bytes = drilled.reduce((sum, table) => sum + table.bytes, 0)
  const estimate = bytes > 0 ? { estimate: (restoreSeconds * options.backup.logical) / bytes } : {}
  return { tables: drilled, checks, problems, restoreSeconds, ...estimate }
}

/** What is wrong with one table does not keep the others from their drill. */
async function tryTable(one: Parameters<typeof drillTable>[0], ctx: RestoreContext): Promise<DrilledTable> {
  const { entry } = one.wanted
  try {
    return await drillTable(one, ctx)
  } catch (error) {
    const failure = toPermafrostError(stagingError(error, entry))
    if (failure.code !== 'DAMAGED' && failure.code !== 'ENGINE_REFUSED') throw failure
    const table = displayName(entry)
    const message = failure.code === 'DAMAGED' ? failure.message : `cannot be made: ${failure.message}`
    const severity = failure.code === 'DAMAGED' ? 'damage' : 'incomplete'
    ctx.emit({ type: 'finding', severity, object: table, message })
    const nothing = { parts: 0, rows: 0, bytes: 0, restoreSeconds: 0, checkSeconds: 0, whole: false }
    return { table, ...nothing, problems: [`${table}: ${message}`] }
  }
}

function stopped(error: PermafrostError, doing: string | undefined): string {
  if (error.code !== 'ENGINE_UNAVAILABLE' || doing === undefined) return error.message
  return `the drill’s ClickHouse died in the middle, at ${doing}: ${error.message}`
}

async function refuseWithoutSpace(engine: DisposableEngine, { bytes }: DrillPlan, scratch: string): Promise<void> {
  const { disks } = await engine.describe()
  const free = disks.reduce((sum, disk) => sum + disk.freeBytes, 0)
  if (bytes <= free) return
  const message = `too little disk: the drill needs ${formatBytes(bytes)}, and ${scratch} has ${formatBytes(free)} free`
  throw new PermafrostError('STORAGE_UNAVAILABLE', message, {
    hint: 'give another --scratch, or less with --max-bytes',
  })
}

function planned({ entry, partitions, some }: ChosenTable): PlannedTable {
  const sum = (count: (partition: ChosenTable['partitions'][number]) => number) =>
    partitions.reduce((total, partition) => total + count(partition), 0)
  return {
    table: displayName(entry),
    partitions: partitions.length,
    parts: sum(({ parts }) => parts),
    rows: sum(({ rows }) => rows),
    bytes: sum(({ bytes }) => bytes),
    whole: !some,
  }
}

function bytesOf(tables: readonly ChosenTable[]): number {
  return tables.flatMap(({ partitions }) => partitions).reduce((sum, { bytes }) => sum + bytes, 0)
}
