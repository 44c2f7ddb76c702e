import { PermafrostError } from './errors.ts'
import type { PartitionFacts, TableFacts, TableSchema } from './manifest.ts'
import { shellQuote } from './shell-quote.ts'
import { displayName } from './sql.ts'
import type { TableName } from './sql.ts'

/** What is wanted, out of the command line. */
export interface RestoreWish {
  /** Another database, or another name for the one table that is restored. */
  readonly as?: { readonly database: string; readonly name?: string } | undefined
  readonly mode: RestoreMode
}

/**
 * `all`: make the table and fill it. `schema`: make it. `data`: fill a table that is there. `detached`: put parts into its
 * `detached/` and attach nothing. `replace`: fill a new one, and swap it with the one that is there.
 */
export type RestoreMode = 'all' | 'schema' | 'data' | 'detached' | 'replace'

/** A table in the backup, with what of it is wanted. */
export interface WantedTable {
  readonly entry: TableFacts
  readonly schema: TableSchema
  /** All of its partitions, or those that were asked for. */
  readonly partitions: readonly PartitionFacts[]
  /** Whether partitions were asked for by name. */
  readonly some: boolean
}

/** A table of the server that a restore would meet. */
export interface ExistingTable extends TableName {
  readonly schema: TableSchema
  readonly engine: string
  /** Partitions that hold rows. */
  readonly partitions: ReadonlySet<string>
}

/**
 * What will be done to one table.
 * `create`: a new table, filled under another name and then renamed · `create-empty`: its definition only ·
 * `swap`: a new table takes the name of the one that is there, which stays under another · `swap-partitions`: the same for
 * partitions · `attach`: parts into a table that is there · `detach`: parts beside it.
 */
export type RestoreAction = 'create' | 'create-empty' | 'swap' | 'swap-partitions' | 'attach' | 'detach'

export interface RestoreStep {
  readonly action: RestoreAction
  readonly source: TableName
  readonly target: TableName
  readonly engine: string
  readonly partitions: readonly string[]
  readonly parts: number
  readonly rows: number
  readonly bytes: number
}

/** The dry run is this value; the restore executes it. */
export interface RestorePlan {
  readonly backup: string
  /** Databases that will be made. */
  readonly databases: readonly string[]
  readonly steps: readonly RestoreStep[]
}

export interface RestorePlanInput {
  readonly backup: string
  readonly wanted: readonly WantedTable[]
  readonly wish: RestoreWish
  readonly existing: readonly ExistingTable[]
  readonly databases: readonly string[]
  /** Has an earlier run of this very step begun and not ended? What it attached is no conflict then. */
  readonly isBegun: (step: RestoreStep) => boolean
}

/**
 * Plan a restore, or refuse it before anything is changed: all conflicts are found and named together.
 *
 * @throws CONFLICT with the commands that solve it, NOT_FOUND when a table must be there and is not, USAGE
 */
export function planRestore(input: RestorePlanInput): RestorePlan {
  const { backup, wanted, wish, existing, databases } = input
  if (wish.as?.name !== undefined && wanted.length !== 1) {
    const as = displayName({ database: wish.as.database, name: wish.as.name })
    throw new PermafrostError('USAGE', `--as ${as} needs exactly one table, and ${wanted.length} are selected`, {
      hint: `give a database only: --as ${wish.as.database}`,
    })
  }
  const planned = wanted.map((table): Planned => {
    const target = { database: wish.as?.database ?? table.entry.database, name: wish.as?.name ?? table.entry.name }
    const there = existing.find((candidate) => candidate.database === target.database && candidate.name === target.name)
    return { table, there, step: stepFor(table, { target, action: actionFor(table, there, wish.mode) }) }
  })
  refuseConflicts(planned, input)
  const steps = planned.map(({ step }) => step)
  const needed = new Set(steps.map((step) => step.target.database))
  return { backup, databases: [...needed].filter((name) => !databases.includes(name)), steps }
}

interface Planned {
  readonly table: WantedTable
  readonly there: ExistingTable | undefined
  readonly step: RestoreStep
}

function stepFor(
  { entry, partitions }: WantedTable,
  { target, action }: Pick<RestoreStep, 'target' | 'action'>,
): RestoreStep {
  const filled = action === 'create-empty' ? [] : partitions
  const sum = (count: (partition: PartitionFacts) => number) =>
    filled.reduce((total, partition) => total + count(partition), 0)
  return {
    action,
    source: { database: entry.database, name: entry.name },
    target,
    engine: entry.engine,
    partitions: filled.map((partition) => partition.id),
    parts: sum((partition) => partition.parts),
    rows: sum((partition) => partition.rows),
    bytes: sum((partition) => partition.bytes),
  }
}

function actionFor(table: WantedTable, there: ExistingTable | undefined, mode: RestoreMode): RestoreAction {
  switch (mode) {
    case 'schema':
      return 'create-empty'
    case 'data':
      return 'attach'
    case 'detached':
      return 'detach'
    case 'replace':
      if (!there) return 'create'
      return table.some ? 'swap-partitions' : 'swap'
    case 'all':
      return 'create'
  }
}

interface Conflict {
  readonly message: string
  readonly hint: readonly string[]
}

function refuseConflicts(planned: readonly Planned[], input: RestorePlanInput): void {
  const conflicts = planned.flatMap((one) => conflictOf(one, input) ?? [])
  const [first, ...others] = conflicts
  if (!first) return
  const more = others.length > 0 ? `, and ${others.length} more ${others.length === 1 ? 'conflict' : 'conflicts'}` : ''
  throw new PermafrostError('CONFLICT', first.message + more, {
    hint: first.hint,
    detail: { conflicts: conflicts.map((conflict) => conflict.message) },
  })
}

function conflictOf(
  { table, there, step }: Planned,
  { backup, wish, isBegun }: RestorePlanInput,
): Conflict | undefined {
  const { target } = step
  const name = displayName(target)
  const restore = `permafrost restore ${backup} -t ${shellQuote(displayName(table.entry))}`
  switch (wish.mode) {
    case 'all':
    case 'schema': {
      if (!there) return undefined
      const beside = displayName({ database: target.database, name: `${target.name}_restored` })
      return {
        message: `${name} exists already`,
        hint: [`restore beside it:  ${restore} --as ${shellQuote(beside)}`, `or replace it:  ${restore} --replace`],
      }
    }
    case 'data':
    case 'detached':
      if (!there) return { message: `${name} does not exist`, hint: [`make it as well:  ${restore}`] }
      return (
        definitionConflict(table, there) ??
        (wish.mode === 'data' && !isBegun(step) ? occupiedConflict(table, there, restore) : undefined)
      )
    case 'replace':
      return there && table.some ? definitionConflict(table, there) : undefined
  }
}

/** Rows would be there twice. */
function occupiedConflict(table: WantedTable, there: ExistingTable, restore: string): Conflict | undefined {
  const occupied = table.partitions.find((partition) => there.partitions.has(partition.id))
  if (!occupied) return undefined
  const partition = shellQuote(`${displayName(there)}:${occupied.id}`)
  return {
    message: `partition ${occupied.id} of ${displayName(there)} holds rows already`,
    hint: [
      `restore it beside:  ${restore} --as …`,
      `or replace the partition:  ${restore} --partition ${partition} --replace`,
    ],
  }
}

function definitionConflict({ entry, schema }: WantedTable, there: ExistingTable): Conflict | undefined {
  const difference = schemaDifference({ schema, engine: entry.engine }, there)
  if (!difference) return undefined
  return {
    message: `${displayName(there)} has another definition than in the backup: ${difference}`,
    hint: ['ATTACH would not notice. Restore it beside with --as, and copy with INSERT … SELECT'],
  }
}

interface Defined {
  readonly schema: TableSchema
  readonly engine: string
}

/**
 * The first difference that makes parts of one table wrong in the other; ATTACH checks none of these. A column that came
 * after the backup is none: ClickHouse reads its default where a part lacks it.
 *
 * @returns a phrase, or nothing when parts fit
 */
export function schemaDifference(backup: Defined, there: Defined): string | undefined {
  const types = new Map(there.schema.columns.map((column) => [column.name, column.type]))
  for (const { name, type } of backup.schema.columns) {
    const now = types.get(name)
    if (now === undefined) return `it has no column ${name}`
    if (now !== type) return `column ${name} is ${now}, not ${type}`
  }
  for (const [what, key] of KEYS) {
    if (backup.schema[key] !== there.schema[key])
      return `${what} is ${there.schema[key] || 'empty'}, not ${backup.schema[key] || 'empty'}`
  }
  return family(backup.engine) === family(there.engine)
    ? undefined
    : `its engine is ${there.engine}, not ${backup.engine}`
}

const KEYS = [
  ['PARTITION BY', 'partitionKey'],
  ['ORDER BY', 'sortingKey'],
  ['PRIMARY KEY', 'primaryKey'],
  ['SAMPLE BY', 'samplingKey'],
] as const

/** Parts of a table and of its replicated twin are the same. */
function family(engine: string): string {
  return engine.replace(/^(Replicated|Shared)/, '')
}
