import { must } from './corrupt.ts'
import { count, list, object, string } from './manifest-codec.ts'
import type { TableName } from './sql.ts'

/** Something without parts of its own: a view, a dictionary, a queue, a table in front of others. */
export interface ObjectEntry extends TableName {
  /** Absent on servers and databases that have none. */
  readonly uuid?: string
  readonly engine: string
  readonly create: string
}

/** What belongs to the server and to no database. */
export interface ServerEntry {
  readonly kind: ServerKind
  readonly name: string
  /** In order; secrets are hashes, as ClickHouse shows them. */
  readonly statements: readonly string[]
}

export const SERVER_KINDS = [
  'function',
  'named collection',
  'workload',
  'resource',
  'settings profile',
  'role',
  'user',
  'quota',
  'row policy',
] as const
export type ServerKind = (typeof SERVER_KINDS)[number]

/** How far the rows of a queue had come, by what its views wrote: from there it is read again after a restore. */
export interface QueueOffset {
  readonly queue: TableName
  readonly table: TableName
  /** Of the topic; absent where the table has no column that says it. */
  readonly partition?: string
  readonly offset: string
}

/** A mutation that parts of a table still wait for. It applies to those whose data is older than its version. */
export interface PendingMutation extends TableName {
  readonly version: number
  /** ClickHouse's own file. */
  readonly text: string
}

/** A file of the server: configuration, a script, a format schema. */
export interface ServerFile {
  /** Absolute, as it is on the server's machine. */
  readonly path: string
  readonly mode: number
  /** In base64. */
  readonly content: string
}

/** Everything of a backup that is a definition and holds no rows. */
export interface Definitions {
  readonly objects: readonly ObjectEntry[]
  readonly server: readonly ServerEntry[]
  readonly offsets: readonly QueueOffset[]
  readonly mutations: readonly PendingMutation[]
  /** Only when they were asked for. */
  readonly files?: readonly ServerFile[]
}

export const NO_DEFINITIONS: Definitions = { objects: [], server: [], offsets: [], mutations: [] }

/** @throws Corrupt */
export function decodeDefinitions(value: unknown): Definitions {
  if (value === undefined) return NO_DEFINITIONS
  const { objects, server, offsets, mutations, files } = object(value)
  return {
    objects: list(objects, 'objects').map((row) => {
      const entry = object(row)
      return {
        ...decodeName(entry),
        ...(entry['uuid'] !== undefined && { uuid: string(entry['uuid']) }),
        engine: string(entry['engine']),
        create: string(entry['create']),
      }
    }),
    server: list(server, 'server entries').flatMap((row): readonly ServerEntry[] => {
      const entry = object(row)
      const kind = SERVER_KINDS.find((known) => known === entry['kind'])
      // A later version may know more kinds; what this one cannot make, it leaves.
      if (!kind) return []
      return [{ kind, name: string(entry['name']), statements: list(entry['statements'], 'statements').map(string) }]
    }),
    offsets: list(offsets, 'offsets').map((row) => {
      const { queue, table, partition, offset } = object(row)
      return {
        queue: decodeName(object(queue)),
        table: decodeName(object(table)),
        ...(partition !== undefined && { partition: string(partition) }),
        offset: string(offset),
      }
    }),
    mutations: list(mutations, 'mutations').map((row) => {
      const entry = object(row)
      return { ...decodeName(entry), version: count(entry['version']), text: string(entry['text']) }
    }),
    ...(files !== undefined && { files: list(files, 'files').map(decodeFile) }),
  }
}

function decodeFile(value: unknown): ServerFile {
  const { path, mode, content } = object(value)
  const steps = string(path).split('/')
  must(!steps.includes('..') && !string(path).includes('\0'), `path ${JSON.stringify(path)} leaves its directory`)
  return { path: string(path), mode: count(mode) & 0o777, content: string(content) }
}

function decodeName(entry: Readonly<Record<string, unknown>>): TableName {
  return { database: string(entry['database']), name: string(entry['name']) }
}
