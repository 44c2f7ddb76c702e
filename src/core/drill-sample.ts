import type { PartitionFacts } from './manifest.ts'
import type { WantedTable } from './restore-plan.ts'

export interface SampleOptions {
  /** Bytes of parts that the drill may restore. */
  readonly most: number
  /** When a table was last in a drill; absent for never. ISO 8601. */
  readonly drilledAt: (table: WantedTable['entry']) => string | undefined
  /** 0 to 1, another one at each call. */
  readonly random: () => number
}

type Drilled = Pick<WantedTable, 'entry' | 'partitions' | 'some'>

/**
 * What to restore when it may not be everything: the tables whose last drill is longest ago, and of what does not fit as a whole
 * some partitions, so that one drill after the other comes around to all of it. One partition at least.
 */
export function drillSample<T extends Drilled>(tables: readonly T[], options: SampleOptions): readonly T[] {
  const { most, drilledAt, random } = options
  const turns = shuffled(tables, random).sort((a, b) => compare(drilledAt(a.entry) ?? '', drilledAt(b.entry) ?? ''))
  const chosen = new Map<T, readonly PartitionFacts[]>()
  let left = most
  for (const table of turns) {
    const partitions: PartitionFacts[] = []
    for (const partition of shuffled(table.partitions, random)) {
      const isFirst = chosen.size === 0 && partitions.length === 0
      if (partition.bytes > left && !isFirst) continue
      partitions.push(partition)
      left -= partition.bytes
    }
    if (partitions.length > 0 || table.partitions.length === 0) chosen.set(table, partitions)
  }
  return tables.flatMap((table) => {
    const partitions = chosen.get(table)
    if (!partitions) return []
    const kept = table.partitions.filter((partition) => partitions.includes(partition))
    return [{ ...table, partitions: kept, some: kept.length < table.partitions.length }]
  })
}

function shuffled<T>(items: readonly T[], random: () => number): T[] {
  return items
    .map((item) => ({ item, at: random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item)
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
