import type { PackUse } from '../core/manifest-codec.ts'
import type { PartEntry, PartitionEntry, Pointer, TableEntry } from '../core/manifest.ts'
import { readBlocks } from '../repository/block-reader.ts'
import { readContents, readParts, readPartitions } from '../repository/backups.ts'
import type { Repository } from '../repository/repository.ts'

/** A partition that backups reach; the same one may be part of many of them. */
export interface ReachedPartition {
  readonly table: TableEntry
  readonly partition: PartitionEntry
  /** Ids. */
  readonly backups: ReadonlySet<string>
}

/** Everything that these backups point to. */
export interface Reach {
  readonly partitions: readonly ReachedPartition[]
  /** Data packs, by id: their size, and the partitions that need them. */
  readonly packs: ReadonlyMap<string, { readonly bytes: number; readonly partitions: readonly ReachedPartition[] }>
  /** Meta packs by id, and the backups that reach them. */
  readonly metas: ReadonlyMap<string, ReadonlySet<string>>
  /** Sessions whose data keys are needed, and the backups that need them. */
  readonly sessions: ReadonlyMap<string, ReadonlySet<string>>
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
  const metas = new Map<string, Set<string>>()
  const found = new Map<string, ReachedPartition & { readonly backups: Set<string> }>()
  const reachMeta = (pointer: Pointer, by: Iterable<string>) => {
    const backups = metas.get(pointer.pack.id) ?? new Set()
    for (const id of by) backups.add(id)
    metas.set(pointer.pack.id, backups)
  }
  for (const id of ids) {
    const tables = (await readContents(repository, id)).tables.filter(wanted)
    const partitions = await readPartitions(repository, tables)
    for (const table of tables) for (const pointer of [table.schema, table.partitions]) reachMeta(pointer, [id])
    for (const [index, table] of tables.entries()) {
      for (const partition of partitions[index] ?? []) {
        const key = keyOf(table, partition)
        const known = found.get(key) ?? { table, partition, backups: new Set() }
        known.backups.add(id)
        found.set(key, known)
      }
    }
  }
  const reached = [...found.values()]
  for (const { partition, backups } of reached) for (const { block } of partition.blocks) reachMeta(block, backups)
  return { partitions: reached, metas, ...(await packsOf(repository, reached)) }
}

async function packsOf(
  repository: Repository,
  reached: readonly ReachedPartition[],
): Promise<Pick<Reach, 'packs' | 'sessions'>> {
  const owners = reached.flatMap((one) => one.partition.blocks.map(({ block }) => ({ one, block })))
  const heads = await readBlocks(
    repository,
    owners.map(({ block }) => block),
    { only: 'heads' },
  )
  const sessions = new Map<string, Set<string>>()
  const packs = new Map<string, { readonly bytes: number; readonly partitions: ReachedPartition[] }>()
  for (const [index, { head }] of heads.entries()) {
    const { one } = owners[index] as (typeof owners)[number]
    for (const session of head.sessions) {
      const backups = sessions.get(session) ?? new Set()
      for (const id of one.backups) backups.add(id)
      sessions.set(session, backups)
    }
    for (const { id, bytes } of head.packs satisfies readonly PackUse[]) {
      const pack = packs.get(id) ?? { bytes, partitions: [] }
      if (pack.partitions.at(-1) !== one) pack.partitions.push(one)
      packs.set(id, pack)
    }
  }
  return { packs, sessions }
}

/** The parts of these partitions that have a segment in a pack. */
export async function partsInPack(
  repository: Repository,
  partitions: readonly ReachedPartition[],
  pack: string,
): Promise<readonly { readonly of: ReachedPartition; readonly part: PartEntry }[]> {
  const found: { readonly of: ReachedPartition; readonly part: PartEntry }[] = []
  for (const of of partitions) {
    const parts = await readParts(repository, [of.partition])
    for (const part of parts) if (part.segments.some((segment) => segment.pack.id === pack)) found.push({ of, part })
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
