import type { Emit } from '../core/events.ts'
import { decodeParts, encodeParts } from '../core/manifest-codec.ts'
import type { PartEntry, PartitionEntry } from '../core/manifest.ts'
import { displayName } from '../core/sql.ts'
import { storedFiles } from '../core/store-plan.ts'
import type { Table } from '../engine/catalog.ts'
import type { ServerParts } from '../engine/parts.ts'
import type { Journal } from '../repository/journal.ts'
import type { MetaWriter } from '../repository/meta-writer.ts'
import type { Pool } from '../repository/pool.ts'
import type { Repository } from '../repository/repository.ts'
import type { ComparedPartition } from './compare-partitions.ts'
import type { FrozenTable } from './frozen-tables.ts'
import { gatherPartition } from './gather-partition.ts'
import type { GatheredPartition } from './gather-partition.ts'
import { inspectParts } from './inspect-parts.ts'
import type { InspectedPart } from './inspect-parts.ts'
import { inspectPartitions } from './inspect-partitions.ts'
import type { Parents } from './parents.ts'
import type { Done } from './progress.ts'
import { storePart } from './store-part.ts'
import type { StoredPart } from './store-part.ts'
import type { StoreQueue } from './store-queue.ts'

/** What is in the repository of a table now. */
export interface StoredTable {
  readonly table: Table
  readonly at: Date
  readonly partitions: readonly PartitionEntry[]
  /** Bytes of the parts that were in the repository before. */
  readonly reused: number
}

export interface StoreContext {
  readonly repository: Repository
  readonly pool: Pool
  readonly queue: StoreQueue
  readonly meta: MetaWriter
  readonly parents: Parents
  readonly journal: Journal
  readonly serverParts: ServerParts
  readonly emit: Emit
  readonly onDone: (done: Done) => void
  /** See gather-partition.ts. */
  readonly inTurn: <T>(work: () => Promise<T>) => Promise<T>
  readonly signal: AbortSignal
}

/**
 * Store what is new of these tables and point to the rest. Partitions are planned one after another, so that only the parts
 * at hand are in memory; their data flows through the queue meanwhile.
 */
export async function storeTables(tables: readonly FrozenTable[], ctx: StoreContext): Promise<readonly StoredTable[]> {
  const planned: { readonly table: Table; readonly at: Date; readonly partitions: Promise<GatheredPartition>[] }[] = []
  let failure: unknown
  for (const frozen of tables) {
    const partitions: Promise<GatheredPartition>[] = []
    planned.push({ table: frozen.table, at: frozen.at, partitions })
    for await (const partition of inspectPartitions(frozen, ctx)) {
      ctx.signal.throwIfAborted()
      if (failure !== undefined) throw failure
      const { gathered } = await storePartition(partition, ctx)
      gathered.catch((error: unknown) => (failure ??= error))
      partitions.push(gathered)
    }
  }
  await ctx.queue.flush()
  const gathered = await Promise.all(
    planned.map(async ({ partitions, ...rest }) => ({ ...rest, partitions: await Promise.all(partitions) })),
  )
  await ctx.meta.flush()
  return gathered.map(({ table, at, partitions }) => ({
    table,
    at,
    partitions: partitions.map((partition) => partition.entry()).filter((entry) => entry !== undefined),
    reused: partitions.reduce((sum, partition) => sum + partition.reused, 0),
  }))
}

/** Settles when everything of the partition is on its way; `gathered` when it is stored. */
async function storePartition(
  partition: ComparedPartition,
  ctx: StoreContext,
): Promise<{ readonly gathered: Promise<GatheredPartition> }> {
  if (partition.outcome === 'unchanged') {
    const { before } = partition
    ctx.onDone({
      parts: before.parts,
      bytes: before.bytes,
      reused: before.bytes,
      current: `${displayName(partition.table)} ${partition.id}`,
    })
    return { gathered: Promise.resolve({ entry: () => before, reused: before.bytes }) }
  }
  const { inspected } = partition
  const known = [...(await ctx.parents.journaled(partition.table, partition.id)), ...partition.known]
  const reusable = reusableParts(known, ctx.parents)
  const same = inspected.flatMap(({ part, inspection }): readonly PartEntry[] => {
    const entry = inspection.problems.length === 0 ? reusable.get(`${part.name} ${inspection.k}`) : undefined
    return entry ? [{ ...entry, disk: part.disk }] : []
  })
  const reused = new Set(same.map(({ name }) => name))
  const bytes = same.reduce((sum, part) => sum + part.bytes, 0)
  ctx.onDone({ parts: same.length, bytes, reused: bytes, current: `${displayName(partition.table)} ${partition.id}` })
  const fresh = await storeFresh(
    partition,
    { fresh: inspected.filter(({ part }) => !reused.has(part.name)), known },
    ctx,
  )
  // Waits for the job that has its new parts, beside thousands of others: what is known of it must not wait along.
  const { table, id } = partition
  return { gathered: gatherPartition({ table, id }, { same: asText(same), fresh }, ctx) }
}

/**
 * Parts as text, in a quarter of the memory, until they are wanted again: many partitions wait for the one job that has a
 * new part of each.
 */
function asText(parts: readonly PartEntry[]): () => readonly PartEntry[] {
  const { head, body } = encodeParts(parts)
  return () => decodeParts(head, body)
}

/** Good parts of the parent, by name and identity. One that was damaged at its source is read again: it may read better now. */
function reusableParts(known: readonly PartEntry[], parents: Parents): ReadonlyMap<string, PartEntry> {
  const good = known.filter((part) => !part.suspect && part.segments.every(({ pack }) => parents.isWorthKeeping(pack)))
  return new Map(good.map((part) => [`${part.name} ${part.k}`, part]))
}

async function storeFresh(
  { table, newest, server }: Pick<ComparedPartition, 'table' | 'newest' | 'server'>,
  { fresh, known }: { readonly fresh: readonly InspectedPart[]; readonly known: readonly PartEntry[] },
  ctx: StoreContext,
): Promise<readonly Promise<StoredPart | undefined>[]> {
  if (fresh.length === 0) return []
  const stored = storedFiles(known, ({ pack }) => ctx.parents.isWorthKeeping(pack))
  const listed = fresh.every(({ inspection }) => inspection.files)
  const inspected = listed
    ? fresh
    : await inspectParts({ table, parts: fresh.map(({ part }) => part) }, { ...ctx, files: true })
  const storing: Promise<StoredPart | undefined>[] = []
  for (const { part, inspection } of inspected) {
    const { queue, journal, emit } = ctx
    const to = { table, newest, server: server?.get(part.name), stored, queue, journal, emit }
    storing.push((await storePart({ part, inspection, files: inspection.files ?? [] }, to)).stored)
  }
  return storing
}
