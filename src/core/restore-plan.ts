import type { ObjectEntry, QueueOffset, ServerEntry } from './definitions.ts'
import { plainEngine } from './engine-edits.ts'
import type { PartitionFacts, TableFacts, TableSchema } from './manifest.ts'
import { tablesNamedBy } from './mentions.ts'
import type { AccessWish } from './plan-access.ts'
import { PHASES, planDefinitions } from './plan-definitions.ts'
import type { OrderedStep, QueueWish } from './plan-definitions.ts'
import { refuseConflicts } from './restore-conflicts.ts'
import type { Planned } from './restore-conflicts.ts'
import { nameKey, renamingOf } from './restore-names.ts'
import type { NameWish } from './restore-names.ts'
import { orderRestore } from './restore-order.ts'
import { restoreTargets } from './restore-targets.ts'
import { rewriteCreate } from './rewrite-create.ts'
import type { TableName } from './sql.ts'

/** What is wanted, out of the command line. */
export interface RestoreWish extends NameWish {
  readonly mode: RestoreMode
  /** `detached` when not given: nothing consumes before somebody says so. */
  readonly queues?: QueueWish | undefined
  /** `plain`: replicated tables become plain ones. */
  readonly engine?: 'plain' | undefined
  /** Where the replicas of restored tables meet, with ClickHouse's macros, `{database}` and `{table}`. */
  readonly replicaPath?: string | undefined
  /** Bring users, roles and policies back as well. */
  readonly access?: AccessWish | undefined
  /** Restore to an older ClickHouse than the backup is of. */
  readonly anyVersion?: boolean | undefined
  /** Remove what a table that is lost left of this replica. */
  readonly dropReplica?: boolean | undefined
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
 * partitions · `attach`: parts into a table that is there · `detach`: parts beside it · `define`: a view, a dictionary and the
 * like · `define-detached`: a queue that does not consume yet · `keep`: it is there already, and the same.
 */
export type RestoreAction =
  | 'create'
  | 'create-empty'
  | 'swap'
  | 'swap-partitions'
  | 'attach'
  | 'detach'
  | 'define'
  | 'define-detached'
  | 'keep'

export interface RestoreStep {
  readonly action: RestoreAction
  readonly source: TableName
  readonly target: TableName
  readonly engine: string
  /** How it is made, with the names that it has after the restore. */
  readonly create: string
  /** It is attached and not created: a queue is not there yet, or the rows of a view are there before it. */
  readonly attach?: { readonly uuid?: string; readonly inner?: TableName }
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
  /** Functions, named collections, resources and workloads that will be made, before everything else. */
  readonly serverEntries: readonly ServerEntry[]
  /** Statements that make users, roles and policies, after everything else. */
  readonly access: readonly string[]
  /** In the order in which they are made. */
  readonly steps: readonly RestoreStep[]
  readonly leftOut: readonly LeftOut[]
  /** How far the queues had come: from there they are read again. Named as in the backup. */
  readonly offsets: readonly QueueOffset[]
}

/** What is selected, and not restored all the same. */
export interface LeftOut {
  readonly object: TableName
  readonly reason: string
}

export interface RestorePlanInput {
  readonly backup: string
  readonly wanted: readonly WantedTable[]
  /** What is selected and holds no rows of its own. */
  readonly objects: readonly ObjectEntry[]
  readonly serverEntries: readonly ServerEntry[]
  readonly access: readonly string[]
  readonly offsets: readonly QueueOffset[]
  readonly wish: RestoreWish
  readonly existing: readonly ExistingTable[]
  readonly databases: readonly string[]
  /** Will tables of this database have UUIDs? */
  readonly hasUuids: (database: string) => boolean
  /** A UUID for a table that is restored, the same in every run of it and shared with no other. */
  readonly uuidFor: (name: TableName) => string
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
  const targets = restoreTargets(input)
  const renaming = renamingOf(targets)
  const rewrite = ({ entry, create }: Pick<Rewritable, 'entry' | 'create'>): string => {
    const to = targets.get(nameKey(entry)) ?? entry
    const group = typeof wish.queues === 'object' ? wish.queues.group : undefined
    const uuids = entry.uuid === undefined ? undefined : ([entry.uuid, input.uuidFor(to)] as const)
    const { replicaPath, engine } = wish
    return rewriteCreate(create, { renaming, from: entry, to, plain: engine === 'plain', replicaPath, uuids, group })
  }
  const planned = wanted.map((table): Planned => {
    const target = targets.get(nameKey(table.entry)) ?? table.entry
    const there = existing.find((candidate) => nameKey(candidate) === nameKey(target))
    const create = rewrite({ entry: table.entry, create: table.schema.create })
    const action = actionFor(table, there, wish.mode)
    const engine = wish.engine === 'plain' ? plainEngine(table.entry.engine) : table.entry.engine
    return { table, there, step: { ...stepFor(table, { target, action }), create, engine } }
  })
  refuseConflicts(planned, input)
  const tables = planned.map((one): OrderedStep => orderedStep(one, targets))
  const definitions = planDefinitions({
    ...input,
    targets,
    queues: wish.queues ?? 'detached',
    rewrite: (object) => rewrite({ entry: object, create: object.create }),
    tables: tables.map(({ target }) => target),
  })
  const steps = orderRestore([...tables, ...definitions.steps]).map(({ step }) => step)
  const needed = new Set(steps.map((step) => step.target.database))
  const { leftOut } = definitions
  const made = [...needed].filter((name) => !databases.includes(name))
  return {
    backup,
    databases: made,
    serverEntries: input.serverEntries,
    access: input.access,
    steps,
    leftOut,
    offsets: input.offsets,
  }
}

/** A statement, and what it made. */
interface Rewritable {
  readonly entry: TableName & { readonly uuid?: string }
  readonly create: string
}

function orderedStep({ table, step }: Planned, targets: ReadonlyMap<string, TableName>): OrderedStep {
  const names = tablesNamedBy(table.schema.create, table.entry.database)
  const needs = names.map(({ table: name }) => targets.get(nameKey(name)) ?? name)
  return { target: step.target, phase: PHASES.data, needs, step }
}

function stepFor(
  { entry, partitions }: WantedTable,
  { target, action }: Pick<RestoreStep, 'target' | 'action'>,
): Omit<RestoreStep, 'create' | 'engine'> {
  const filled = action === 'create-empty' ? [] : partitions
  const sum = (count: (partition: PartitionFacts) => number) =>
    filled.reduce((total, partition) => total + count(partition), 0)
  return {
    action,
    source: { database: entry.database, name: entry.name },
    target,
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
