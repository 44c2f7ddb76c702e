import { layout } from '../core/layout.ts'
import type { PartEntry, PartitionEntry, Pointer, TableEntry, TableSchema } from '../core/manifest.ts'
import { hasCode } from '../core/errors.ts'
import type { Emit } from '../core/events.ts'
import { isWorthReusing } from '../core/store-plan.ts'
import type { Table } from '../engine/catalog.ts'
import { keyOf } from '../engine/catalog.ts'
import { listBackups, readContents, readPartitions, readSchemas } from '../repository/backups.ts'
import type { Journals } from '../repository/journal.ts'
import type { Reachable } from '../repository/reachable.ts'
import type { Repository } from '../repository/repository.ts'

/** The last backup of a table: what of it need not be stored again. */
export interface ParentTable {
  readonly entry: TableEntry
  readonly schema: TableSchema
  /** By partition id. */
  readonly partitions: ReadonlyMap<string, PartitionEntry>
}

export interface Parents {
  /** The newest backup that any table was found in. */
  readonly newest: string | undefined
  of(table: Table): ParentTable | undefined
  /** Parts, and files of parts, that a killed run stored before it could commit. */
  journaled(table: Table, partition: string): Promise<readonly PartEntry[]>
  /** Is so much of this pack still in use that pointing to it is worth it? */
  isWorthKeeping(pack: { readonly id: string }): boolean
  /** Is it, and are all packs below it, worth pointing to? */
  isBlockWorthKeeping(block: Pointer): boolean
  /** Is the block itself neither condemned nor gone? */
  isThere(block: Pointer): boolean
}

export interface ParentsOptions {
  /** `BackupSummary.server` */
  readonly server: string
  readonly reach: Reachable
  readonly journals: Journals
  /** Keys that must not be pointed to: condemned, or gone. */
  readonly avoid: ReadonlySet<string>
  readonly emit: Emit
}

/** How many backups to look back for a table that the newest ones did not hold. */
const LOOK_BACK = 20

/**
 * For each table, its entry in the newest backup of this server that holds it: a backup of a few tables does not cut the
 * others off from what is stored.
 */
export async function findParents(
  repository: Repository,
  tables: readonly Table[],
  { server, reach, journals, avoid, emit }: ParentsOptions,
): Promise<Parents> {
  const parents = new Map<string, ParentTable>()
  let newest: string | undefined
  for (const id of await backupsOf(repository, server)) {
    const missing = tables.filter((table) => !parents.has(keyOf(table)))
    if (missing.length === 0) break
    const found = await tablesOf(repository, id, { missing, reach }).catch((error: unknown) => {
      // Damaged, or forgotten and collected at this moment: what it holds is stored again, or found in an older one.
      if (!hasCode(error, 'DAMAGED')) throw error
      emit({ type: 'finding', severity: 'warning', object: `backup ${id}`, message: `is no help: ${error.message}` })
      return []
    })
    for (const [key, parent] of found) parents.set(key, parent)
    if (found.length > 0) newest ??= id
  }
  const live = await readLive(reach, [...parents.values()])
  const isThere = (block: Pointer) => !avoid.has(layout.meta.key(block.pack.id))
  const isWorthKeeping = (id: string) =>
    !avoid.has(layout.packs.key(id)) && (live.packs.get(id) ?? journals.packs.has(id))
  return {
    newest,
    of: (table) => parents.get(keyOf(table)),
    journaled: (table, partition) => journals.partsOf(table, partition),
    isWorthKeeping: (pack) => isWorthKeeping(pack.id),
    isThere,
    isBlockWorthKeeping: (block) =>
      isThere(block) && (live.blocks.get(blockKey(block)) ?? []).every((id) => isWorthKeeping(id)),
  }
}

/**
 * The entry of a table: by its uuid, else by its name. A table that was restored has a new uuid, and is not stored again for
 * that: its parts are the same when their names and identities are.
 */
function entryOf(table: Table, entries: readonly TableEntry[]): TableEntry | undefined {
  const same = table.uuid === undefined ? undefined : entries.find((entry) => entry.uuid === table.uuid)
  return same ?? entries.find((entry) => entry.database === table.database && entry.name === table.name)
}

/** Backups of this server, newest first. */
async function backupsOf(repository: Repository, server: string): Promise<readonly string[]> {
  const backups = await listBackups(repository, { newest: LOOK_BACK })
  return backups
    .flatMap((backup) => (backup.outcome === 'read' && backup.summary.server === server ? [backup.id] : []))
    .toReversed()
}

/** What a backup has of these tables, with every block on the way down to their parts read. */
async function tablesOf(
  repository: Repository,
  id: string,
  { missing, reach }: { readonly missing: readonly Table[]; readonly reach: Reachable },
): Promise<readonly (readonly [string, ParentTable])[]> {
  const { tables } = await readContents(repository, id)
  const entries = missing.flatMap((table) => {
    const entry = entryOf(table, tables)
    return entry ? [[keyOf(table), entry] as const] : []
  })
  const listed = entries.map(([, entry]) => entry)
  const [partitions, schemas] = await Promise.all([readPartitions(repository, listed), readSchemas(repository, listed)])
  await reach.heads(partitions.flatMap((list) => list.flatMap(({ blocks }) => blocks.map(({ block }) => block))))
  return entries.map(([key, entry], index) => [
    key,
    {
      entry,
      schema: schemas[index] as TableSchema,
      partitions: new Map((partitions[index] ?? []).map((partition) => [partition.id, partition])),
    },
  ])
}

interface Live {
  /** Whether a pack is worth keeping. */
  readonly packs: ReadonlyMap<string, boolean>
  /** The packs below a block. */
  readonly blocks: ReadonlyMap<string, readonly string[]>
}

async function readLive(reach: Reachable, parents: readonly ParentTable[]): Promise<Live> {
  const pointers = parents.flatMap((parent) =>
    [...parent.partitions.values()].flatMap(({ blocks }) => blocks.map(({ block }) => block)),
  )
  const heads = await reach.heads(pointers)
  const used = new Map<string, { readonly bytes: number; live: number }>()
  const blocks = new Map<string, readonly string[]>()
  for (const [index, head] of heads.entries()) {
    blocks.set(
      blockKey(pointers[index] as Pointer),
      head.packs.map((pack) => pack.id),
    )
    for (const { id, bytes, live } of head.packs) {
      const pack = used.get(id) ?? { bytes, live: 0 }
      pack.live += live
      used.set(id, pack)
    }
  }
  return {
    packs: new Map([...used].map(([id, use]) => [id, isWorthReusing(use)])),
    blocks,
  }
}

function blockKey(block: Pointer): string {
  return `${block.pack.id}:${block.offset}`
}
