import pLimit from 'p-limit'
import { isBackupId } from '../core/backup-id.ts'
import {
  decodeContents,
  decodePartitions,
  decodeReach,
  decodeSchema,
  decodeSummary,
  encodeContents,
  encodePartitions,
  encodeReach,
  reachOf,
} from '../core/contents-codec.ts'
import { Corrupt } from '../core/corrupt.ts'
import { hasCode, PermafrostError } from '../core/errors.ts'
import { layout, nameOf } from '../core/layout.ts'
import {
  decodeParts,
  decodePointer,
  decodeRefs,
  EMPTY_HEAD,
  encodePointer,
  encodeRefs,
  object,
  packTable,
  parse,
  string,
} from '../core/manifest-codec.ts'
import type {
  BackupContents,
  BackupSummary,
  PartEntry,
  PartitionEntry,
  Pointer,
  TableEntry,
  TableSchema,
} from '../core/manifest.ts'
import { readBlock, readBlocks } from './block-reader.ts'
import type { Block } from './block-reader.ts'
import type { MetaWriter, PendingBlock } from './meta-writer.ts'
import { encodeRecord, MAX_RECORD } from './records.ts'
import type { Section } from './records.ts'
import { damaged, readRecord, readRecordIfThere } from './read-record.ts'
import type { Repository } from './repository.ts'

/** A backup in the list; one whose record does not read is listed, too, and says so. */
export type ListedBackup =
  | { readonly outcome: 'read'; readonly id: string; readonly summary: BackupSummary }
  | { readonly outcome: 'damaged'; readonly id: string; readonly message: string }

/** Ids in order of names. @param which those that are not forgotten, or those that are */
export async function backupIds(
  { storage }: Repository,
  which: 'kept' | 'forgotten' = 'kept',
): Promise<readonly string[]> {
  // Marks before records: a record goes before its mark, so what has lost its mark has lost its record, too.
  const forgotten = new Set<string>()
  for await (const { key } of storage.list(layout.forgotten.prefix)) forgotten.add(nameOf(key).split('.')[0] ?? '')
  const ids: string[] = []
  for await (const { key } of storage.list(layout.backups.prefix)) {
    const id = nameOf(key)
    if (isBackupId(id) && forgotten.has(id) === (which === 'forgotten')) ids.push(id)
  }
  return ids
}

export interface ListOptions {
  /** Read no more than this many of the newest. */
  readonly newest?: number
  readonly which?: 'kept' | 'forgotten'
  /** What was read before, by id: records never change. Added to. */
  readonly known?: Map<string, ListedBackup>
}

/** The backups of the repository, oldest first. */
export async function listBackups(
  repository: Repository,
  { newest, which = 'kept', known = new Map() }: ListOptions = {},
): Promise<readonly ListedBackup[]> {
  const ids = await backupIds(repository, which)
  const limit = pLimit(repository.storage.traits.connections)
  const wanted = newest === undefined ? ids : ids.slice(-newest)
  const unknown = wanted.filter((id) => !known.has(id))
  const read = await Promise.all(unknown.map((id) => limit(() => listed(repository, id))))
  // One that does not read now may read the next time: the store may be at fault.
  for (const backup of read) if (backup.outcome === 'read') known.set(backup.id, backup)
  const fresh = new Map(read.map((backup) => [backup.id, backup]))
  const backups = wanted.flatMap((id) => fresh.get(id) ?? known.get(id) ?? [])
  // Ids are exact to the second, and two backups may be made in one.
  return backups.sort((a, b) => compare(timeOf(a), timeOf(b)) || compare(a.id, b.id))
}

function timeOf(backup: ListedBackup): string {
  if (backup.outcome === 'read') return backup.summary.started
  return backup.id.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z.*/, '$1-$2-$3T$4:$5:$6.000Z')
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

/** @throws DAMAGED */
export async function readSummary(repository: Repository, id: string): Promise<BackupSummary> {
  return decoding(repository, layout.backups.key(id), async () =>
    decodeSummary(sectionOf(await readBackupRecord(repository, id), 'summary')),
  )
}

async function listed(repository: Repository, id: string): Promise<ListedBackup> {
  try {
    return { outcome: 'read', id, summary: await readSummary(repository, id) }
  } catch (error) {
    if (!hasCode(error, 'DAMAGED')) throw error
    return { outcome: 'damaged', id, message: error.message }
  }
}

/** What a backup is made of, down to the blocks of its tables. @throws DAMAGED */
export async function readContents(repository: Repository, id: string): Promise<BackupContents> {
  return decoding(repository, layout.backups.key(id), async () => {
    const value = object(sectionOf(await readBackupRecord(repository, id), 'contents'))
    if (value['block'] === undefined) return decodeContents(value)
    const pointer = decodePointer(value['block'], decodeRefs(value['metas']))
    return decodeContents(parse((await readBlock(repository, pointer)).body))
  })
}

/** @throws DAMAGED */
export async function readPartitions(
  repository: Repository,
  tables: readonly TableEntry[],
): Promise<readonly (readonly PartitionEntry[])[]> {
  const blocks = await readBlocks(
    repository,
    tables.map((table) => table.partitions),
  )
  return Promise.all(
    blocks.map((block, index) =>
      decoding(repository, blockOf(tables[index]?.partitions), () => decodePartitions(block.body)),
    ),
  )
}

/** @throws DAMAGED */
export async function readSchemas(
  repository: Repository,
  tables: readonly TableEntry[],
): Promise<readonly TableSchema[]> {
  const blocks = await readBlocks(
    repository,
    tables.map((table) => table.schema),
  )
  return Promise.all(
    blocks.map((block, index) => decoding(repository, blockOf(tables[index]?.schema), () => decodeSchema(block.body))),
  )
}

/** The parts of partitions, one after another. @throws DAMAGED */
export async function readParts(
  repository: Repository,
  partitions: readonly PartitionEntry[],
): Promise<readonly PartEntry[]> {
  return (await readPartsByPartition(repository, partitions)).flat()
}

/** The parts of each partition. Their blocks lie side by side, and come together. @throws DAMAGED */
export async function readPartsByPartition(
  repository: Repository,
  partitions: readonly PartitionEntry[],
): Promise<readonly (readonly PartEntry[])[]> {
  const blocks = (
    await readBlocks(
      repository,
      partitions.flatMap((partition) => partition.blocks.map(({ block }) => block)),
    )
  ).values()
  return Promise.all(
    partitions.map(async (partition) => {
      const parts = partition.blocks.map(({ block: pointer }) => {
        const { head, body } = blocks.next().value as Block
        return decoding(repository, blockOf(pointer), () => decodeParts(head, body))
      })
      return (await Promise.all(parts)).flat()
    }),
  )
}

export interface Manifest {
  readonly summary: BackupSummary
  readonly contents: BackupContents
}

/** A manifest whose blocks are all stored; only the record is not. */
export interface PreparedBackup {
  /** What the record will point to. */
  readonly blocks: readonly Pointer[]
  /**
   * Make the backup exist: its record is created once, last of all, and after everything that it points to was announced.
   *
   * @throws INTERNAL when a backup of this id exists: ids hold six random characters of a second
   */
  commit(announcement: string): Promise<void>
}

/** Store what of a manifest does not fit into the record. */
export async function prepareBackup(
  repository: Repository,
  { summary, contents }: Manifest,
  { meta, random }: { readonly meta: MetaWriter; readonly random: (size: number) => Uint8Array },
): Promise<PreparedBackup> {
  const key = layout.backups.key(summary.id)
  const whole = encodeContents(contents)
  const direct = reachOf(contents)
  const fits = JSON.stringify(whole).length + JSON.stringify(encodeReach(direct)).length < MAX_RECORD / 2
  const { blocks, value } = fits ? { blocks: direct, value: whole } : await inBlock(contents, meta)
  return {
    blocks,
    commit: async (announcement) => {
      const sections: readonly Section[] = [
        { name: 'reach', reader: 'list', value: { announcement, ...(encodeReach(blocks) as object) } },
        { name: 'summary', reader: 'meta', value: summary },
        { name: 'contents', reader: 'meta', value },
      ]
      const record = encodeRecord({ kind: 'backup', key }, sections, { keys: repository.keys, random })
      if ((await repository.storage.put(key, record, { ifAbsent: true })) === 'exists') {
        throw new PermafrostError('INTERNAL', `backup ${summary.id} exists already`)
      }
    },
  }
}

/** What a backup reaches, for readers without names. */
export interface BackupReach {
  /** The announcement that it was committed under. */
  readonly announcement: string
  readonly blocks: readonly Pointer[]
}

/** @throws DAMAGED; undefined when the record has gone meanwhile */
export async function readReach(repository: Repository, id: string): Promise<BackupReach | undefined> {
  const key = layout.backups.key(id)
  const record = await readRecordIfThere(repository, { kind: 'backup', key })
  if (!record) return undefined
  return decoding(repository, key, () => {
    const value = record.get('reach')
    return { announcement: string(object(value)['announcement']), blocks: decodeReach(value) }
  })
}

/** Add the partitions of a table as a block. */
export function addPartitions(meta: MetaWriter, partitions: readonly PartitionEntry[]): Promise<PendingBlock> {
  const blocks = partitions.flatMap((partition) => partition.blocks.map((entry) => entry.block))
  return meta.add({ ...EMPTY_HEAD, blocks }, encodePartitions(partitions))
}

/** A server with many thousands of tables: their list is too large for a record, so a block holds it and reaches the rest. */
async function inBlock(
  contents: BackupContents,
  meta: MetaWriter,
): Promise<{ readonly blocks: readonly Pointer[]; readonly value: unknown }> {
  const added = await meta.add({ ...EMPTY_HEAD, blocks: reachOf(contents) }, JSON.stringify(encodeContents(contents)))
  await meta.flush()
  const pointer = added.pointer()
  const table = packTable()
  const block = encodePointer(pointer, table)
  return { blocks: [pointer], value: { metas: encodeRefs(table.packs), block } }
}

function readBackupRecord(repository: Repository, id: string): Promise<ReadonlyMap<string, unknown>> {
  return readRecord(repository, { kind: 'backup', key: layout.backups.key(id) })
}

function sectionOf(record: ReadonlyMap<string, unknown>, name: string): unknown {
  if (!record.has(name)) throw new PermafrostError('KEY_WRONG', 'this key cannot read the names in backups')
  return record.get(name)
}

function blockOf(pointer: { readonly pack: { readonly id: string } } | undefined): string {
  return layout.meta.key(pointer?.pack.id ?? '')
}

async function decoding<T>({ storage }: Repository, key: string, decode: () => T | Promise<T>): Promise<T> {
  try {
    return await decode()
  } catch (error) {
    if (error instanceof Corrupt) throw damaged(storage, key, error)
    throw error
  }
}
