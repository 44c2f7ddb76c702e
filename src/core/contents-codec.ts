import type { Finding, Severity } from './events.ts'
import {
  count,
  decodePointer,
  decodeRefs,
  encodePointer,
  encodeRefs,
  hex,
  list,
  object,
  packTable,
  parse,
  string,
} from './manifest-codec.ts'
import type { BackupContents, BackupSummary, PartitionEntry, Pointer, TableEntry, TableSchema } from './manifest.ts'
import { must } from './corrupt.ts'
import { decodeDefinitions } from './definitions.ts'

// How a backup's record and its upper blocks are written down: JSON that names packs once and points to them by number.
// Every decoder throws Corrupt on anything else.

/** The blocks that a backup reaches directly: one with the schema, one with the partitions of each table. */
export function reachOf(contents: Pick<BackupContents, 'tables'>): readonly Pointer[] {
  return contents.tables.flatMap((table) => [table.schema, table.partitions])
}

export function encodeReach(blocks: readonly Pointer[]): unknown {
  const table = packTable()
  const pointers = blocks.map((block) => encodePointer(block, table))
  return { metas: encodeRefs(table.packs), blocks: pointers }
}

export function decodeReach(value: unknown): readonly Pointer[] {
  const { metas, blocks } = object(value)
  const packs = decodeRefs(metas)
  return list(blocks, 'blocks').map((pointer) => decodePointer(pointer, packs))
}

export function encodeContents({ databases, tables, definitions, findings }: BackupContents): unknown {
  const table = packTable()
  const rows = tables.map((entry) => ({
    ...entry,
    schema: encodePointer(entry.schema, table),
    partitions: encodePointer(entry.partitions, table),
  }))
  return { metas: encodeRefs(table.packs), databases, tables: rows, ...(definitions && { definitions }), findings }
}

export function decodeContents(value: unknown): BackupContents {
  const { metas, databases, tables, definitions, findings } = object(value)
  const packs = decodeRefs(metas)
  return {
    databases: list(databases, 'databases').map((row) => {
      const database = object(row)
      return { name: string(database['name']), engine: string(database['engine']), create: string(database['create']) }
    }),
    tables: list(tables, 'tables').map((row): TableEntry => {
      const entry = object(row)
      return {
        database: string(entry['database']),
        name: string(entry['name']),
        ...(entry['uuid'] !== undefined && { uuid: string(entry['uuid']) }),
        engine: string(entry['engine']),
        rows: count(entry['rows']),
        bytes: count(entry['bytes']),
        parts: count(entry['parts']),
        frozenAt: string(entry['frozenAt']),
        schema: decodePointer(entry['schema'], packs),
        partitions: decodePointer(entry['partitions'], packs),
      }
    }),
    ...(definitions !== undefined && { definitions: decodeDefinitions(definitions) }),
    findings: list(findings, 'findings').map(decodeFinding),
  }
}

export function encodePartitions(partitions: readonly PartitionEntry[]): string {
  const table = packTable()
  const rows = partitions.map((partition) => ({
    ...partition,
    blocks: partition.blocks.map(({ block, parts }) => [encodePointer(block, table), parts]),
  }))
  return JSON.stringify({ metas: encodeRefs(table.packs), partitions: rows })
}

export function decodePartitions(json: string): readonly PartitionEntry[] {
  const { metas, partitions } = object(parse(json))
  const packs = decodeRefs(metas)
  return list(partitions, 'partitions').map((row) => {
    const entry = object(row)
    return {
      id: string(entry['id']),
      rows: count(entry['rows']),
      bytes: count(entry['bytes']),
      parts: count(entry['parts']),
      suspect: count(entry['suspect']),
      digest: hex(entry['digest'], 64),
      blocks: list(entry['blocks'], 'blocks').map((pair) => {
        const [pointer, parts] = list(pair, 'block')
        return { block: decodePointer(pointer, packs), parts: count(parts) }
      }),
    }
  })
}

export function decodeSchema(json: string): TableSchema {
  const schema = object(parse(json))
  return {
    create: string(schema['create']),
    columns: list(schema['columns'], 'columns').map((row) => {
      const column = object(row)
      return { name: string(column['name']), type: string(column['type']) }
    }),
    partitionKey: string(schema['partitionKey']),
    sortingKey: string(schema['sortingKey']),
    primaryKey: string(schema['primaryKey']),
    samplingKey: string(schema['samplingKey']),
  }
}

export function decodeSummary(value: unknown): BackupSummary {
  const summary = object(value)
  const { status, tags, selection, parent } = summary
  must(status === 'complete' || status === 'incomplete', 'backup has no status')
  const text = (name: keyof BackupSummary) => string(summary[name])
  const number = (name: keyof BackupSummary) => count(summary[name])
  return {
    id: text('id'),
    status,
    started: text('started'),
    finished: text('finished'),
    host: text('host'),
    server: text('server'),
    clickhouse: text('clickhouse'),
    permafrost: text('permafrost'),
    session: text('session'),
    ...(parent !== undefined && { parent: string(parent) }),
    tags: list(tags, 'tags').map(string),
    selection: list(selection, 'selection').map(string),
    tables: number('tables'),
    parts: number('parts'),
    rows: number('rows'),
    logical: number('logical'),
    stored: number('stored'),
    reused: number('reused'),
    findings: number('findings'),
  }
}

const SEVERITIES: readonly Severity[] = ['note', 'warning', 'incomplete', 'damage']

function decodeFinding(value: unknown): Finding {
  const finding = object(value)
  const severity = SEVERITIES.find((known) => known === finding['severity'])
  must(severity, 'finding of unknown severity')
  const { hint } = finding
  return {
    severity,
    object: string(finding['object']),
    message: string(finding['message']),
    ...(hint !== undefined && { hint: string(hint) }),
  }
}
