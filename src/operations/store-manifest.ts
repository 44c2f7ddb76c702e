import { EMPTY_HEAD } from '../core/manifest-codec.ts'
import type { PartitionEntry, Pointer, TableEntry, TableSchema } from '../core/manifest.ts'
import { addPartitions } from '../repository/backups.ts'
import type { MetaWriter, PendingBlock } from '../repository/meta-writer.ts'
import type { Parents } from './parents.ts'
import type { StoredTable } from './store-tables.ts'

export interface ManifestContext {
  readonly parents: Parents
  readonly meta: MetaWriter
}

/** Store the definition and the partitions of each table as blocks; those that did not change are pointed to. */
export async function storeManifest(
  stored: readonly StoredTable[],
  { parents, meta }: ManifestContext,
): Promise<readonly TableEntry[]> {
  const entries: (() => TableEntry)[] = []
  for (const { table, at, partitions } of stored) {
    const parent = parents.of(table)
    const schema =
      parent && parents.isThere(parent.entry.schema) && sameSchema(parent.schema, table.schema)
        ? known(parent.entry.schema)
        : await meta.add(EMPTY_HEAD, JSON.stringify(table.schema))
    const unchanged =
      parent && parents.isThere(parent.entry.partitions) && samePartitions([...parent.partitions.values()], partitions)
    const list = unchanged ? known(parent.entry.partitions) : await addPartitions(meta, partitions)
    const sum = (count: (entry: PartitionEntry) => number) =>
      partitions.reduce((total, entry) => total + count(entry), 0)
    entries.push(() => ({
      database: table.database,
      name: table.name,
      ...(table.uuid && { uuid: table.uuid }),
      engine: table.engine,
      rows: sum((entry) => entry.rows),
      bytes: sum((entry) => entry.bytes),
      parts: sum((entry) => entry.parts),
      frozenAt: at.toISOString(),
      schema: schema.pointer(),
      partitions: list.pointer(),
    }))
  }
  // Pointers to new blocks are known once their pack is stored.
  await meta.flush()
  return entries.map((entry) => entry())
}

function known(pointer: Pointer): PendingBlock {
  return { pointer: () => pointer }
}

function sameSchema(a: TableSchema, b: TableSchema): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}

function samePartitions(a: readonly PartitionEntry[], b: readonly PartitionEntry[]): boolean {
  return a.length === b.length && a.every((entry, index) => entry === b[index])
}
