import type { PackUse } from '../core/manifest-codec.ts'
import type { PartEntry, PartitionEntry, Pointer, TableEntry } from '../core/manifest.ts'
import { readBlocks } from '../repository/block-reader.ts'
import { readContents, readParts, readPartitions } from '../repository/backups.ts'
import type { Repository } from '../repository/repository.ts'

/** A partition that backups reach; the same one may be part of many of them. */
export interface ReachedPartition {
  readonly table: TableEntry
  readonly partition: PartitionEntry
}

/** Everything that these backups point to. */
export interface Reach {
  readonly partitions: readonly ReachedPartition[]
  /** Data packs, by id: their size, and the partitions that need them. */
  readonly packs: ReadonlyMap<string, { readonly bytes: number; readonly partitions: readonly ReachedPartition[] }>
  /** Ids of meta packs. */
  readonly metas: ReadonlySet<string>
}

/**
 * Follow the pointers of backups down to the packs. A block that several backups share is read once.
 *
 * @throws DAMAGED when a record or a block does not read
 */
export async function reachOfBackups(
  repository: Repository,
  ids: readonly string[],
  wanted: (table: TableEntry) => boolean,
): Promise<Reach> {
  const metas = new Set<string>()
  const found = new Map<string, ReachedPartition>()
  for (const id of ids) {
    const tables = (await readContents(repository, id)).tables.filter(wanted)
    const partitions = await readPartitions(repository, tables)
    for (const table of tables) for (const pointer of [table.schema, table.partitions]) metas.add(pointer.pack.id)
    for (const [index, table] of tables.entries()) {
      for (const partition of partitions[index] ?? []) found.set(keyOf(table, partition), { table, partition })
    }
  }
  const reached = [...found.values()]
  const blocks = reached.flatMap(({ partition }) => partition.blocks.map(({ block }) => block))
  for (const block of blocks) metas.add(block.pack.id)
  return { partitions: reached, packs: await packsOf(repository, reached), metas }
}

async function packsOf(repository: Repository, reached: readonly ReachedPartition[]): Promise<Reach['packs']> {
  const owners = reached.flatMap((one) => one.partition.blocks.map(({ block }) => ({ one, block })))
  const heads = await readBlocks(
    repository,
    owners.map(({ block }) => block),
    { only: 'heads' },
  )
  const packs = new Map<string, { readonly bytes: number; readonly partitions: ReachedPartition[] }>()
  for (const [index, { head }] of heads.entries()) {
    const { one } = owners[index] as (typeof owners)[number]
    for (const { id, bytes } of head.packs satisfies readonly PackUse[]) {
      const pack = packs.get(id) ?? { bytes, partitions: [] }
      if (pack.partitions.at(-1) !== one) pack.partitions.push(one)
      packs.set(id, pack)
    }
  }
  return packs
}

/** The parts of these partitions that have a segment in a pack. */
export async function partsInPack(
  repository: Repository,
  partitions: readonly ReachedPartition[],
  pack: string,
): Promise<readonly { readonly table: TableEntry; readonly part: PartEntry }[]> {
  const found: { readonly table: TableEntry; readonly part: PartEntry }[] = []
  for (const { table, partition } of partitions) {
    const parts = await readParts(repository, partition)
    for (const part of parts) if (part.segments.some((segment) => segment.pack.id === pack)) found.push({ table, part })
  }
  return found
}

function keyOf(table: TableEntry, { id, blocks }: PartitionEntry): string {
  const where = blocks.map(({ block }) => pointerKey(block)).join()
  return JSON.stringify([table.database, table.name, id, where])
}

function pointerKey({ pack, offset }: Pointer): string {
  return `${pack.id}:${offset}`
}
