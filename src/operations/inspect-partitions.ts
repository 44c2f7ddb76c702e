import { lookAhead } from '../core/look-ahead.ts'
import type { PartitionEntry } from '../core/manifest.ts'
import { parsePartName } from '../core/part-name.ts'
import { keyOf } from '../engine/catalog.ts'
import type { Table } from '../engine/catalog.ts'
import type { ServerPart } from '../engine/parts.ts'
import type { FrozenPart } from '../engine/shadow.ts'
import type { FrozenTable } from './frozen-tables.ts'
import { inspectParts } from './inspect-parts.ts'
import type { InspectedPart } from './inspect-parts.ts'
import type { StoreContext } from './store-tables.ts'

/** The frozen parts of a partition, and what is known of it. */
export interface InspectedPartition {
  readonly table: Table
  readonly id: string
  readonly inspected: readonly InspectedPart[]
  /** Whether it is the last of its table: the one that is written to, as a rule. */
  readonly newest: boolean
  readonly server: ReadonlyMap<string, ServerPart> | undefined
  /** What the newest backup has of it. */
  readonly before: PartitionEntry | undefined
}

type Partition = Omit<InspectedPartition, 'inspected'> & { readonly parts: readonly FrozenPart[] }

/** Small partitions are inspected together, up to so many parts at once: a message to a worker costs more than a part. */
const PARTS_TOGETHER = 100
/** So many parts for each worker are inspected ahead of the partition at hand. */
const PARTS_AHEAD = 200

/** The partitions of a table, in order, the next ones being inspected already. The files of one that is new are listed at once. */
export async function* inspectPartitions(frozen: FrozenTable, ctx: StoreContext): AsyncGenerator<InspectedPartition> {
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
    start: (batch) => {
      const files = batch.every(({ before }) => before === undefined)
      return inspectParts({ table, parts: batch.flatMap(({ parts }) => parts) }, { ...ctx, files })
    },
    weightOf: countParts,
    most: ctx.pool.size * PARTS_AHEAD,
  })
  for await (const [batch, inspected] of ahead) {
    const found = Map.groupBy(inspected, ({ part }) => partitionOf(part))
    for (const { parts: _, ...partition } of batch) yield { ...partition, inspected: found.get(partition.id) ?? [] }
  }
}

function batchesOf(partitions: readonly Partition[]): readonly (readonly Partition[])[] {
  const batches: Partition[][] = []
  for (const partition of partitions) {
    const last = batches.at(-1)
    const fits = last && countParts(last) + partition.parts.length <= PARTS_TOGETHER
    if (fits && isNew(last[0]) === isNew(partition)) last.push(partition)
    else batches.push([partition])
  }
  return batches
}

function isNew(partition: Partition | undefined): boolean {
  return partition?.before === undefined
}

function countParts(partitions: readonly Partition[]): number {
  return partitions.reduce((sum, { parts }) => sum + parts.length, 0)
}
