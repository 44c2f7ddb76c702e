import { NO_DEFINITIONS } from '../core/definitions.ts'
import type { Definitions } from '../core/definitions.ts'
import type { Finding } from '../core/events.ts'
import type {
  BackupSummary,
  DatabaseEntry,
  PartEntry,
  PartitionEntry,
  TableEntry,
  TableSchema,
} from '../core/manifest.ts'
import { selectTables } from '../core/selector.ts'
import type { Selector } from '../core/selector.ts'
import { displayName } from '../core/sql.ts'
import type { TableName } from '../core/sql.ts'
import { readContents, readParts, readPartitions, readSchemas } from '../repository/backups.ts'
import type { Repository } from '../repository/repository.ts'

/** A backup in detail; partitions, parts and definitions as far as they were asked for. */
export interface ShownBackup {
  readonly summary: BackupSummary
  readonly databases: readonly DatabaseEntry[]
  readonly tables: readonly ShownTable[]
  /** What holds no rows of its own: views, dictionaries, queues; and, when no table was named, what belongs to the server. */
  readonly definitions: readonly ShownDefinition[]
  readonly findings: readonly Finding[]
}

export interface ShownTable extends Omit<TableEntry, 'schema' | 'partitions'> {
  readonly schema?: TableSchema
  readonly partitions?: readonly ShownPartition[]
}

export interface ShownDefinition {
  /** An engine such as `View` or `Kafka`, or `function`, `user` and the like. */
  readonly kind: string
  readonly name: string
  readonly statements?: readonly string[]
}

export interface ShownPartition extends Omit<PartitionEntry, 'blocks' | 'digest'> {
  readonly partitionParts?: readonly ShownPart[]
}

export interface ShownPart extends Pick<PartEntry, 'name' | 'rows' | 'bytes' | 'disk' | 'suspect'> {
  readonly files: number
  readonly segments: number
}

export interface ShowOptions {
  readonly backup: BackupSummary
  readonly selector: Selector
  readonly detail: 'tables' | 'partitions' | 'parts'
  readonly schema: boolean
}

/** What a backup holds. @throws NOT_FOUND, DAMAGED */
export async function show(
  repository: Repository,
  { backup, selector, detail, schema }: ShowOptions,
): Promise<ShownBackup> {
  const contents = await readContents(repository, backup.id)
  const { objects, server } = contents.definitions ?? NO_DEFINITIONS
  const selected = new Set<TableName>(selectTables(selector, [...contents.tables, ...objects]))
  const entries = contents.tables.filter((entry) => selected.has(entry))
  const definitions = showDefinitions(
    { objects: objects.filter((entry) => selected.has(entry)), server: selector.patterns.length === 0 ? server : [] },
    schema,
  )
  const partitions = detail === 'tables' ? [] : await readPartitions(repository, entries)
  const schemas = schema ? await readSchemas(repository, entries) : []
  const tables = await Promise.all(
    entries.map(async (entry, index): Promise<ShownTable> => {
      const { schema: _schema, partitions: _partitions, ...rest } = entry
      const definition = schemas[index]
      const list = partitions[index]
      return {
        ...rest,
        ...(definition && { schema: definition }),
        ...(list && {
          partitions: await Promise.all(list.map((partition) => showPartition(repository, partition, detail))),
        }),
      }
    }),
  )
  return { summary: backup, databases: contents.databases, tables, definitions, findings: contents.findings }
}

function showDefinitions(
  { objects, server }: Pick<Definitions, 'objects' | 'server'>,
  withStatements: boolean,
): readonly ShownDefinition[] {
  const all = [
    ...objects.map((entry) => ({ kind: entry.engine, name: displayName(entry), statements: [entry.create] })),
    ...server,
  ]
  return all.map(({ kind, name, statements }) => ({ kind, name, ...(withStatements && { statements }) }))
}

async function showPartition(
  repository: Repository,
  partition: PartitionEntry,
  detail: ShowOptions['detail'],
): Promise<ShownPartition> {
  const { blocks: _blocks, digest: _digest, ...rest } = partition
  if (detail !== 'parts') return rest
  const parts = await readParts(repository, [partition])
  return {
    ...rest,
    partitionParts: parts.map(({ name, rows, bytes, disk, suspect, files, segments }) => ({
      name,
      rows,
      bytes,
      disk,
      files: files.length,
      segments: segments.length,
      ...(suspect && { suspect }),
    })),
  }
}
