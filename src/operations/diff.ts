import { diffTables } from '../core/diff.ts'
import type { ComparedPart, ComparedTable, TableDiff } from '../core/diff.ts'
import type { PartEntry, PartitionEntry, TableEntry, TableSchema } from '../core/manifest.ts'
import { selects } from '../core/selector.ts'
import type { Selector } from '../core/selector.ts'
import { isMergeTree, keyOf, readCatalog } from '../engine/catalog.ts'
import type { Engine } from '../engine/engine.ts'
import { readServerParts } from '../engine/parts.ts'
import type { ServerPart } from '../engine/parts.ts'
import { readContents, readParts, readPartitions, readSchemas } from '../repository/backups.ts'
import type { Repository } from '../repository/repository.ts'

/** What changed from one backup to another. Partitions that are the same are not read. @throws DAMAGED */
export async function diffBackups(
  repository: Repository,
  { before, after, selector }: { readonly before: string; readonly after: string; readonly selector: Selector },
): Promise<readonly TableDiff[]> {
  const [old, now] = await Promise.all([before, after].map((id) => readTables(repository, id, selector)))
  const digests = (tables: readonly ReadTable[] = []) =>
    new Set(tables.flatMap(({ partitions }) => partitions.map(digestKey)))
  const [oldDigests, nowDigests] = [digests(old), digests(now)]
  const isSame = (partition: PartitionEntry) =>
    oldDigests.has(digestKey(partition)) && nowDigests.has(digestKey(partition))
  const compared = (tables: readonly ReadTable[] = []) =>
    Promise.all(tables.map((table) => compare(repository, table, { isSame, identityOf: ({ k }) => k })))
  return diffTables(await compared(old), await compared(now))
}

/** What changed on the server since a backup. Parts are the same by ClickHouse's own hash of all their files. @throws DAMAGED */
export async function diffLive(
  { repository, engine }: { readonly repository: Repository; readonly engine: Engine },
  { before, selector }: { readonly before: string; readonly selector: Selector },
): Promise<readonly TableDiff[]> {
  const info = await engine.describe()
  const tables = (await readCatalog(engine, info)).filter((table) => isMergeTree(table) && selects(selector, table))
  const parts = await readServerParts(engine, info, [...new Set(tables.map((table) => table.database))])
  const identityOf = (part: Pick<PartEntry, 'hash' | 'rows'>) => part.hash ?? `${part.rows} rows`
  const live = tables.map((table): ComparedTable => {
    const active = [...(parts.get(keyOf(table))?.values() ?? [])].filter((part) => part.active)
    const compared = (part: ServerPart): ComparedPart => ({
      name: part.name,
      identity: identityOf({ rows: part.rows, ...(part.hash !== undefined && { hash: part.hash }) }),
      rows: part.rows,
      bytes: part.bytes,
    })
    const partitions = new Map(
      [...Map.groupBy(active, (part) => part.partition)].map(([id, list]) => [id, list.map(compared)]),
    )
    return { ...name(table), uuid: table.uuid, create: definitionOf(table.schema, table.engine), partitions }
  })
  const stored = await readTables(repository, before, selector)
  const isSame = () => false
  return diffTables(await Promise.all(stored.map((table) => compare(repository, table, { isSame, identityOf }))), live)
}

interface ReadTable {
  readonly entry: TableEntry
  readonly schema: TableSchema
  readonly partitions: readonly PartitionEntry[]
}

async function readTables(repository: Repository, id: string, selector: Selector): Promise<readonly ReadTable[]> {
  const entries = (await readContents(repository, id)).tables.filter((table) => selects(selector, table))
  const [schemas, partitions] = await Promise.all([
    readSchemas(repository, entries),
    readPartitions(repository, entries),
  ])
  return entries.map((entry, index) => ({
    entry,
    schema: schemas[index] as TableSchema,
    partitions: partitions[index] ?? [],
  }))
}

async function compare(
  repository: Repository,
  { entry, schema, partitions }: ReadTable,
  {
    isSame,
    identityOf,
  }: {
    readonly isSame: (partition: PartitionEntry) => boolean
    readonly identityOf: (part: PartEntry) => string
  },
): Promise<ComparedTable> {
  const compared = await Promise.all(
    partitions.map(async (partition) => {
      // Equal on both sides, so equally empty.
      const parts = isSame(partition) ? [] : await readParts(repository, [partition])
      return [partition.id, parts.map((part) => ({ ...pick(part), identity: identityOf(part) }))] as const
    }),
  )
  return { ...name(entry), uuid: entry.uuid, create: definitionOf(schema, entry.engine), partitions: new Map(compared) }
}

function pick({ name: part, rows, bytes }: PartEntry): Omit<ComparedPart, 'identity'> {
  return { name: part, rows, bytes }
}

function name({ database, name: table }: { readonly database: string; readonly name: string }) {
  return { database, name: table }
}

function digestKey({ id, digest }: PartitionEntry): string {
  return `${id} ${digest}`
}

/** A definition in lines: what the CREATE statement says, without the names that a copy has others of. */
function definitionOf(
  { columns, partitionKey, sortingKey, primaryKey, samplingKey }: TableSchema,
  engine: string,
): string {
  const keys = {
    'PARTITION BY': partitionKey,
    'ORDER BY': sortingKey,
    'PRIMARY KEY': primaryKey,
    'SAMPLE BY': samplingKey,
  }
  return [
    ...columns.map((column) => `${column.name} ${column.type}`),
    `ENGINE = ${engine}`,
    ...Object.entries(keys).flatMap(([key, value]) => (value === '' ? [] : [`${key} ${value}`])),
  ].join('\n')
}
