import { lookAhead } from '../core/look-ahead.ts'
import { parsePartName } from '../core/part-name.ts'
import { keyOf } from '../engine/catalog.ts'
import type { FrozenPart } from '../engine/shadow.ts'
import { comparePartitions } from './compare-partitions.ts'
import type { ComparedPartition, InspectedPartition } from './compare-partitions.ts'
import type { FrozenTable } from './frozen-tables.ts'
import { inspectParts } from './inspect-parts.ts'
import type { StoreContext } from './store-tables.ts'

type Partition = Omit<InspectedPartition, 'inspected'> & { readonly parts: readonly FrozenPart[] }

/** Partitions are inspected together, up to so many parts at once: what the last backup has of those that changed comes by one request. */
const PARTS_TOGETHER = 500
/** So many parts for each worker are inspected ahead of the partition at hand. */
const PARTS_AHEAD = 500
/** A part whose files are listed takes the memory and the time of as many others. */
const LISTED = 5

/**
 * The partitions of a table, in order, beside what the newest backup has of them; the next ones are being inspected already. The
 * files of one that is new are listed at once.
 */
export async function* inspectPartitions(frozen: FrozenTable, ctx: StoreContext): AsyncGenerator<ComparedPartition> {
  const { table } = frozen
  const server = ctx.serverParts.get(keyOf(table))
  const partitionOf = ({ name }: FrozenPart) => server?.get(name)?.partition ?? parsePartName(name)?.partition ?? 'all'
  const groups = Map.groupBy(frozen.parts, partitionOf)
  const ids = [...groups.keys()].sort()
  const known = ctx.parents.of(table)?.partitions
  const partitions = ids.map((id): Partition => {
    return { table, id, parts: groups.get(id) ?? [], newest: id === ids.at(-1), server, before: known?.get(id) }
  })
  const ahead = lookAhead(batchesOf(partitions), {
    start: async (batch) => {
      const parts = batch.flatMap(({ parts: some }) => some)
      const inspected = await inspectParts({ table, parts }, { ...ctx, files: batch.every(isNew) })
      const found = Map.groupBy(inspected, ({ part }) => partitionOf(part))
      return comparePartitions(
        batch.map((partition) => ({ ...partition, inspected: found.get(partition.id) ?? [] })),
        ctx,
      )
    },
    weightOf,
    most: ctx.pool.size * PARTS_AHEAD,
  })
  for await (const [, compared] of ahead) yield* compared
}

function batchesOf(partitions: readonly Partition[]): readonly (readonly Partition[])[] {
  const batches: Partition[][] = []
  for (const partition of partitions) {
    const last = batches.at(-1)
    const fits = last?.[0] && isNew(last[0]) === isNew(partition) && weightOf([...last, partition]) <= PARTS_TOGETHER
    if (fits) last.push(partition)
    else batches.push([partition])
  }
  return batches
}

function isNew({ before }: Partition): boolean {
  return before === undefined
}

function weightOf(partitions: readonly Partition[]): number {
  return partitions.reduce((sum, partition) => sum + partition.parts.length * (isNew(partition) ? LISTED : 1), 0)
}
