import { readCreate, sameStatement } from './create-statement.ts'
import type { CreateKind } from './create-statement.ts'
import type { ObjectEntry } from './definitions.ts'
import { hasGroup } from './engine-edits.ts'
import { PermafrostError } from './errors.ts'
import type { Mention } from './mention.ts'
import { tablesNamedBy } from './mentions.ts'
import { isQueue } from './queues.ts'
import { innerName, needs, nameKey } from './restore-names.ts'
import type { OrderedNode } from './restore-order.ts'
import type { LeftOut, RestoreStep } from './restore-plan.ts'
import { displayName } from './sql.ts'
import type { TableName } from './sql.ts'

/**
 * What to do with tables that consume from the moment they are read. `skip`: they and their views are left out · `detached`:
 * they are made and detached, and consume once they are attached · a group: they read in a consumer group of this name.
 */
export type QueueWish = 'skip' | 'detached' | { readonly group: string }

export interface DefinitionInput {
  readonly objects: readonly ObjectEntry[]
  readonly queues: QueueWish
  /** New names, by {@link nameKey} of the old. */
  readonly targets: ReadonlyMap<string, TableName>
  readonly rewrite: (object: ObjectEntry) => string
  /** Tables that the restore makes. */
  readonly tables: readonly TableName[]
  readonly existing: readonly (TableName & { readonly schema: { readonly create: string } })[]
  readonly hasUuids: (database: string) => boolean
  readonly uuidFor: (name: TableName) => string
}

/** A step and what it has to wait for. */
export interface OrderedStep extends OrderedNode {
  readonly step: RestoreStep
}

/** When things are made that do not wait for one another. */
export const PHASES = { data: 0, dictionary: 1, front: 2, view: 3, materialized: 4, queue: 5, reader: 6 } as const

interface Planned {
  readonly object: ObjectEntry
  readonly kind: CreateKind
  readonly names: readonly Mention[]
  readonly reads: boolean
}

/**
 * The steps of everything that holds no rows of its own: what is there already and is the same stays, what is there and is not is a
 * conflict, and so is what needs a table that nobody has.
 *
 * @throws CONFLICT
 */
export function planDefinitions(input: DefinitionInput): {
  readonly steps: readonly OrderedStep[]
  readonly leftOut: readonly LeftOut[]
} {
  const all = input.objects.map((object) => plannedOf(object, input.objects))
  const leftOut = input.queues === 'skip' ? skipQueues(all) : new Map<Planned, string>()
  const kept = all.filter((one) => !leftOut.has(one))
  refuseMissing(kept, input)
  if (typeof input.queues === 'object') refuseWithoutGroup(kept)
  return {
    steps: kept.map((one) => stepOf(one, input)),
    leftOut: [...leftOut].map(([{ object }, reason]) => ({ object: nameOf(object), reason })),
  }
}

function plannedOf(object: ObjectEntry, objects: readonly ObjectEntry[]): Planned {
  const names = tablesNamedBy(object.create, object.database)
  const queues = new Set(objects.filter(isQueue).map(nameKey))
  const { kind } = readCreate(object.create)
  const reads = kind === 'MATERIALIZED VIEW' && names.some(({ table }) => queues.has(nameKey(table)))
  return { object, kind, names, reads }
}

/** Queues, and whatever cannot be without one. */
function skipQueues(all: readonly Planned[]): Map<Planned, string> {
  const left = new Map(all.filter(({ object }) => isQueue(object)).map((one) => [one, 'a queue, and --queues is skip']))
  for (let before = -1; before !== left.size;) {
    before = left.size
    for (const one of all) {
      if (left.has(one)) continue
      const gone = [...left.keys()].find(({ object }) => needed(one).some((name) => nameKey(name) === nameKey(object)))
      if (gone) left.set(one, `${needs(one.object, gone.object)}, which is left out`)
    }
  }
  return left
}

/** What ClickHouse looks for when it makes this. A table in front of others need not find them; a column may be called anything. */
function needed({ names }: Planned): readonly TableName[] {
  return names.filter(({ role }) => role !== 'engine' && role !== 'column').map(({ table }) => table)
}

function refuseMissing(kept: readonly Planned[], { targets, tables, existing }: DefinitionInput): void {
  const made = [...tables, ...kept.map(({ object }) => targets.get(nameKey(object)) ?? object)]
  const there = new Set([...made, ...existing].map(nameKey))
  const missing = kept.flatMap((one) =>
    needed(one)
      .map((name) => targets.get(nameKey(name)) ?? name)
      .filter((name) => !there.has(nameKey(name)) && !OWN.has(name.database))
      .map((name) => `${needs(one.object, name)}, which is neither in the restore nor on the server`),
  )
  const [first] = missing
  if (first === undefined) return
  const more = missing.length > 1 ? `, and ${missing.length - 1} more` : ''
  throw new PermafrostError('CONFLICT', first + more, {
    hint: "restore what it needs as well, or leave it out: -t '!db.view'",
    detail: { conflicts: missing },
  })
}

/** ClickHouse's own databases are not in the list of what is there. */
const OWN: ReadonlySet<string> = new Set(['system', 'INFORMATION_SCHEMA', 'information_schema'])

function refuseWithoutGroup(kept: readonly Planned[]): void {
  const one = kept.find(({ object }) => isQueue(object) && !hasGroup(readCreate(object.create)))
  if (!one) return
  throw new PermafrostError('CONFLICT', `${displayName(one.object)} names no consumer group that could be another`, {
    hint: 'use --queues detached, and change it before you attach it',
  })
}

function stepOf(planned: Planned, input: DefinitionInput): OrderedStep {
  const { object, names } = planned
  const { targets, existing, queues } = input
  const target = targets.get(nameKey(object)) ?? nameOf(object)
  const create = input.rewrite(object)
  const inner = targets.get(nameKey(innerName(object, object.uuid)))
  const attach = attachOf(planned, { target, inner }, input)
  const there = existing.find((one) => nameKey(one) === nameKey(target))
  if (there && !sameStatement(there.schema.create, create)) throw isThere(target)
  const made = queues === 'detached' && isQueue(object) ? 'define-detached' : 'define'
  const step: RestoreStep = {
    action: there ? 'keep' : made,
    source: nameOf(object),
    target,
    engine: object.engine,
    create,
    ...(attach && { attach }),
    partitions: [],
    parts: 0,
    rows: 0,
    bytes: 0,
  }
  const after = [...names.map(({ table }) => targets.get(nameKey(table)) ?? table), ...(inner ? [inner] : [])]
  return { target, phase: phaseOf(planned), needs: after, step }
}

/** A view whose rows are restored before it, or whose queue is detached, is attached: CREATE would make or look for these. */
function attachOf(
  { reads }: Planned,
  { target, inner }: { readonly target: TableName; readonly inner: TableName | undefined },
  { queues, hasUuids, uuidFor }: DefinitionInput,
): RestoreStep['attach'] {
  if (!inner && !(queues === 'detached' && reads)) return undefined
  return { ...(hasUuids(target.database) && { uuid: uuidFor(target) }), ...(inner && { inner }) }
}

function isThere(target: TableName): PermafrostError {
  const name = displayName(target)
  return new PermafrostError('CONFLICT', `${name} exists already, and is defined otherwise than in the backup`, {
    hint: [
      `leave it out:  -t '!${name}'`,
      'or restore beside it:  --as <database>',
      'or rename it, and run this again',
    ],
  })
}

function phaseOf({ object, kind, reads }: Planned): number {
  if (isQueue(object)) return PHASES.queue
  switch (kind) {
    case 'DICTIONARY':
      return PHASES.dictionary
    case 'VIEW':
      return PHASES.view
    case 'MATERIALIZED VIEW':
      return reads ? PHASES.reader : PHASES.materialized
    case 'TABLE':
      return PHASES.front
  }
}

function nameOf({ database, name }: TableName): TableName {
  return { database, name }
}
