import { hasCode } from '../core/errors.ts'
import type { Emit } from '../core/events.ts'
import type { PartEntry, PartitionEntry } from '../core/manifest.ts'
import type { Table } from '../engine/catalog.ts'
import type { ServerPart } from '../engine/parts.ts'
import { readPartsByPartition } from '../repository/backups.ts'
import { partitionDigest } from '../repository/part-identity.ts'
import type { Repository } from '../repository/repository.ts'
import type { InspectedPart } from './inspect-parts.ts'
import type { Parents } from './parents.ts'

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

/** A partition beside what the newest backup has of it. */
export type ComparedPartition =
  | (InspectedPartition & { readonly outcome: 'unchanged'; readonly before: PartitionEntry })
  /** `known` are the parts that the newest backup has. */
  | (InspectedPartition & { readonly outcome: 'changed'; readonly known: readonly PartEntry[] })

export interface CompareContext {
  readonly repository: Repository
  readonly parents: Pick<Parents, 'isBlockWorthKeeping'>
  readonly emit: Emit
}

/** Compare partitions with the newest backup's, in their order. The parts of those that changed are read together. */
export async function comparePartitions(
  partitions: readonly InspectedPartition[],
  ctx: CompareContext,
): Promise<readonly ComparedPartition[]> {
  const isSame = partitions.map(({ inspected, before }) => before !== undefined && isUnchanged(inspected, before, ctx))
  const changed = partitions.flatMap(({ before }, index) => (before && !isSame[index] ? [before] : []))
  const known = await knownParts(changed, ctx)
  return partitions.map((partition, index): ComparedPartition => {
    const { before } = partition
    if (before && isSame[index]) return { ...partition, outcome: 'unchanged', before }
    return { ...partition, outcome: 'changed', known: (before && known.get(before)) ?? [] }
  })
}

/** The parts are the same, none of them was damaged, and their packs are still worth pointing to. */
function isUnchanged(parts: readonly InspectedPart[], before: PartitionEntry, { parents }: CompareContext): boolean {
  if (before.suspect > 0 || parts.some(({ inspection }) => inspection.problems.length > 0)) return false
  const digest = partitionDigest(
    parts.map(({ part, inspection }) => ({ name: part.name, k: inspection.k, disk: part.disk })),
  )
  return digest === before.digest && before.blocks.every(({ block }) => parents.isBlockWorthKeeping(block))
}

/** What does not read is stored again. */
async function knownParts(
  partitions: readonly PartitionEntry[],
  { repository, emit }: CompareContext,
): Promise<ReadonlyMap<PartitionEntry, readonly PartEntry[]>> {
  const read = async (some: readonly PartitionEntry[]) => {
    const parts = await readPartsByPartition(repository, some)
    return some.map((partition, index) => [partition, parts[index] ?? []] as const)
  }
  try {
    return new Map(await read(partitions))
  } catch (error) {
    if (!hasCode(error, 'DAMAGED')) throw error
  }
  // One of them is damaged: each by itself, so that the others need not be stored again.
  const found = new Map<PartitionEntry, readonly PartEntry[]>()
  for (const partition of partitions) {
    try {
      for (const [one, parts] of await read([partition])) found.set(one, parts)
    } catch (error) {
      if (!hasCode(error, 'DAMAGED')) throw error
      const message = `is stored again: ${error.message}`
      emit({ type: 'finding', severity: 'warning', object: `partition ${partition.id}`, message })
    }
  }
  return found
}
