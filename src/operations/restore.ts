import { createHash } from 'node:crypto'
import type { PendingMutation, ServerEntry } from '../core/definitions.ts'
import { collectFindings } from '../core/events.ts'
import type { Finding } from '../core/events.ts'
import { PermafrostError } from '../core/errors.ts'
import type { BackupSummary, DatabaseEntry } from '../core/manifest.ts'
import { planAccess } from '../core/plan-access.ts'
import { planServerEntries } from '../core/plan-server-entries.ts'
import { targetOf } from '../core/restore-names.ts'
import { planRestore } from '../core/restore-plan.ts'
import type { RestorePlan, RestoreStep, RestoreWish } from '../core/restore-plan.ts'
import { selects } from '../core/selector.ts'
import type { PartitionChoice, Selector } from '../core/selector.ts'
import { refuseOlderServer } from '../core/server-version.ts'
import { displayName, trusted } from '../core/sql.ts'
import { formatBytes, plural } from '../core/units.ts'
import { ACCESS, accessNames } from '../engine/access.ts'
import { keyOf, readCatalog, readDatabases } from '../engine/catalog.ts'
import { createDatabase, createObject } from '../engine/create.ts'
import { readServerEntries } from '../engine/definitions.ts'
import type { ServerInfo } from '../engine/engine.ts'
import { readServerParts } from '../engine/parts.ts'
import { isStaged } from '../engine/placing.ts'
import { tableDirectories } from '../engine/shadow.ts'
import { checkClusters } from './check-clusters.ts'
import type { Context } from './context.ts'
import { newUuids } from './new-uuids.ts'
import { progressMeter } from './progress.ts'
import { checkReplicaPaths } from './replica-paths.ts'
import { restoreTable } from './restore-table.ts'
import type { RestoredTable } from './restore-table.ts'
import { repositorySource } from './repository-source.ts'
import type { ChosenTable, RestoreSource, SourceTable } from './restore-source.ts'
import { sourceParts } from './source-parts.ts'
import { stagingError } from './stage-parts.ts'

export interface RestoreOptions extends RestoreChoice {
  readonly backup: BackupSummary
}

/** What of a source is wanted, and how. */
export interface RestoreChoice {
  readonly selector: Selector
  readonly partitions: readonly PartitionChoice[]
  readonly wish: RestoreWish
}

export interface RestoreResult {
  readonly plan: RestorePlan
  readonly tables: readonly RestoredTable[]
  readonly findings: readonly Finding[]
}

/** A plan, and what puts it into effect. */
export interface PreparedRestore {
  readonly plan: RestorePlan
  /** Put it into effect. */
  run(): Promise<RestoreResult>
}

/**
 * Plan a restore. Nothing is changed until the plan is run, and nothing is planned that would overwrite: what is there is a
 * CONFLICT, named with the commands that solve it.
 *
 * @throws NOT_FOUND, CONFLICT, USAGE, DAMAGED
 */
export function prepareRestore(ctx: Context, { backup, ...choice }: RestoreOptions): Promise<PreparedRestore> {
  return prepareRestoreFrom(repositorySource(ctx, backup), ctx, choice)
}

/** The same, from any source. */
export async function prepareRestoreFrom(
  source: RestoreSource,
  ctx: Omit<Context, 'repository'>,
  options: RestoreChoice,
): Promise<PreparedRestore> {
  const { engine } = ctx
  const contents = await source.read({ ...options, mode: options.wish.mode })
  const { objects, server, offsets } = contents
  if (contents.tables.length + objects.length === 0)
    throw new PermafrostError('NOT_FOUND', `no table of backup ${source.name} is selected`, {
      hint: `permafrost show ${source.name}`,
    })
  const wanted = contents.tables.flatMap((table): readonly ChosenTable[] => {
    const chosen = choosePartitions(table, options.partitions)
    return chosen ? [{ ...table, ...chosen }] : []
  })
  refuseWholeTables(contents.tables, source, options)
  refuseUnknownPartitions(wanted, source, options.partitions)
  const info = await engine.describe()
  const tables = await readCatalog(engine, info)
  const serverParts = await readServerParts(engine, info, [
    ...new Set(wanted.map(({ entry }) => targetOf(entry, options.wish).database)),
  ])
  const databases = await readDatabases(engine)
  const plan = planRestore({
    backup: source.name,
    wanted,
    objects,
    offsets,
    access: await accessStatements(ctx, { info, server, wish: options.wish }),
    serverEntries: await missingEntries(engine, info, server),
    wish: options.wish,
    hasUuids: databasesWithUuids(info, [...databases, ...contents.databases]),
    uuidFor: await newUuids(engine, info, source.name),
    databases: databases.map((database) => database.name),
    existing: tables.map((table) => ({ ...table, partitions: activePartitions(serverParts.get(keyOf(table))) })),
    isBegun: (step) => {
      const table = tables.find((one) => keyOf(one) === keyOf(step.target))
      return (
        table !== undefined &&
        isStaged({ directories: tableDirectories(table, info), key: restoreKey(source.name, step) }, ctx.disk)
      )
    },
  })
  if (!options.wish.anyVersion && plan.steps.some(({ parts }) => parts > 0))
    refuseOlderServer(info.version, contents.clickhouse)
  await checkClusters(engine, plan)
  const dropLeftReplicas = await checkReplicaPaths(engine, info, { plan, drop: options.wish.dropReplica ?? false })
  const execute = async (): Promise<RestoreResult> => {
    await dropLeftReplicas()
    for (const name of plan.databases) {
      await createDatabase(engine, info, {
        name,
        source: contents.databases.find((database) => database.name === name),
      })
    }
    for (const { statements } of plan.serverEntries)
      for (const statement of statements) await createObject(engine, info, statement)
    const result = await runRestore(ctx, { plan, wanted, source, pending: contents.mutations })
    // Last: a row policy would hide rows from the comparison with the manifest.
    for (const statement of plan.access) await engine.command(trusted(statement))
    return result
  }
  return { plan, run: () => source.keep(execute) }
}

interface Execution {
  readonly plan: RestorePlan
  readonly wanted: readonly ChosenTable[]
  readonly source: RestoreSource
  readonly pending: readonly PendingMutation[]
}

async function runRestore(
  outer: Omit<Context, 'repository'>,
  { plan, wanted, source, pending }: Execution,
): Promise<RestoreResult> {
  const { emit, findings } = collectFindings(outer.emit)
  const ctx = { ...outer, emit, info: await outer.engine.describe() }
  const total = { parts: sum(plan.steps, (step) => step.parts), bytes: sum(plan.steps, (step) => step.bytes) }
  if (source.moves) refuseWithoutSpace(plan, ctx.info.disks)
  const progress = progressMeter(ctx, { phase: 'fetch', total })
  await using loader = source.open((bytes) => progress.moved(bytes))
  emit({
    type: 'phase',
    phase: 'fetch',
    message: `restoring ${plural(plan.steps.length, 'table')}, ${formatBytes(total.bytes)}`,
  })
  const tables: RestoredTable[] = []
  for (const step of plan.steps) {
    ctx.signal.throwIfAborted()
    const table = wanted.find(({ entry }) => keyOf(entry) === keyOf(step.source))
    const parts = !table || step.action === 'create-empty' ? [] : await sourceParts(table)
    const key = restoreKey(plan.backup, step)
    const mutations = pending.filter((one) => keyOf(one) === keyOf(step.source))
    try {
      const one = { step, source: step.source, parts, mutations, key }
      tables.push(await restoreTable(one, { ...ctx, loader, progress }))
    } catch (error) {
      throw stagingError(error, step.target)
    }
  }
  return { plan, tables, findings }
}

/** Functions and the like, as far as the server does not have them. */
async function missingEntries(
  engine: Context['engine'],
  info: ServerInfo,
  server: readonly ServerEntry[],
): Promise<readonly ServerEntry[]> {
  if (server.length === 0) return []
  return planServerEntries(server, (await readServerEntries(engine, info, { secrets: true })).entries)
}

/** Users, roles and policies come with everything, and only when it is wished. */
async function accessStatements(
  { engine }: Pick<Context, 'engine'>,
  {
    info,
    server,
    wish,
  }: { readonly info: ServerInfo; readonly server: readonly ServerEntry[]; readonly wish: RestoreWish },
): Promise<readonly string[]> {
  const entries = ACCESS.flatMap((access) => server.filter(({ kind }) => kind === access.kind))
  if (!wish.access || entries.length === 0) return []
  return planAccess(entries, { there: await accessNames(engine, info), wish: wish.access })
}

/** Databases that are there come first; one that is made gets the engine that it had. */
function databasesWithUuids(
  { can }: Pick<ServerInfo, 'can'>,
  databases: readonly Pick<DatabaseEntry, 'name' | 'engine'>[],
): (name: string) => boolean {
  const engineOf = (name: string) => databases.find((database) => database.name === name)?.engine
  return (name) => can.hasColumn('tables', 'uuid') && engineOf(name) !== 'Ordinary'
}

/** Names a restore of a table, the same in every run of it and different for every other. */
function restoreKey(backup: string, step: RestoreStep): string {
  const what = JSON.stringify([backup, step.action, step.source, step.target, step.partitions])
  return createHash('sha256').update(what).digest('hex').slice(0, 16)
}

function choosePartitions(
  { entry, partitions }: SourceTable,
  choices: readonly PartitionChoice[],
): Pick<ChosenTable, 'partitions' | 'some'> | undefined {
  if (choices.length === 0) return { partitions, some: false }
  const ids = new Set(choices.filter((choice) => selects(choice.table, entry)).map((choice) => choice.id))
  const chosen = partitions.filter((partition) => ids.has(partition.id))
  return chosen.length > 0 ? { partitions: chosen, some: true } : undefined
}

/** Of a table that is named beside partitions of others, none of them would come: nobody asks for that. */
function refuseWholeTables(
  tables: readonly SourceTable[],
  source: RestoreSource,
  { selector, partitions }: Pick<RestoreChoice, 'selector' | 'partitions'>,
): void {
  const named = selector.patterns.some(({ exclude, text }) => !exclude && text !== '*.*')
  if (!named || partitions.length === 0) return
  const left = tables.find(({ entry }) => !partitions.some((choice) => selects(choice.table, entry)))
  if (!left) return
  const name = displayName(left.entry)
  throw new PermafrostError('USAGE', `-t names ${name} as well, and --partition none of its partitions`, {
    hint: [
      'leave -t out: --partition names its table itself',
      `for all of ${name}, run:  permafrost restore ${source.name} -t ${name}`,
    ],
  })
}

function refuseUnknownPartitions(
  wanted: readonly ChosenTable[],
  source: RestoreSource,
  choices: readonly PartitionChoice[],
): void {
  for (const choice of choices) {
    const found = wanted.some(
      ({ entry, partitions: chosen }) =>
        selects(choice.table, entry) && chosen.some((partition) => partition.id === choice.id),
    )
    if (!found)
      throw new PermafrostError('NOT_FOUND', `backup ${source.name} has no partition ${choice.text}`, {
        hint: `permafrost show ${source.name} --partitions`,
      })
  }
}

function activePartitions(
  parts: ReadonlyMap<string, { readonly active: boolean; readonly partition: string }> | undefined,
): ReadonlySet<string> {
  return new Set([...(parts?.values() ?? [])].filter((part) => part.active).map((part) => part.partition))
}

/** A restore that cannot fit is refused before it fills the disk that the server needs for itself. */
function refuseWithoutSpace(
  plan: RestorePlan,
  disks: readonly { readonly freeBytes: number; readonly name: string }[],
): void {
  const free = sum(disks, (disk) => disk.freeBytes)
  const need = sum(plan.steps, (step) => step.bytes)
  if (need <= free) return
  const message = `the restore needs ${formatBytes(need)}, and ClickHouse's disks have ${formatBytes(free)} free`
  throw new PermafrostError('STORAGE_UNAVAILABLE', message, {
    hint: `restore less: -t ${displayName(plan.steps[0]?.target ?? { database: 'db', name: 'table' })}`,
  })
}

function sum<T>(items: readonly T[], count: (item: T) => number): number {
  return items.reduce((total, item) => total + count(item), 0)
}
