import pLimit from 'p-limit'
import { z } from 'zod'
import { Corrupt } from '../core/corrupt.ts'
import { layout, nameOf } from '../core/layout.ts'
import { decodeHead, decodeParts, encodeHead, encodeParts } from '../core/manifest-codec.ts'
import type { PartEntry } from '../core/manifest.ts'
import { parsePartName } from '../core/part-name.ts'
import { MIB } from '../core/units.ts'
import type { TableName } from '../core/sql.ts'
import type { Random } from './marks.ts'
import { encodeRecord } from './records.ts'
import { damaged, readRecordIfThere } from './read-record.ts'
import type { Repository } from './repository.ts'

/** Who writes a journal. */
export interface Journalist {
  readonly session: string
  /** `BackupSummary.server`: whose parts these are. */
  readonly server: string
  /** Tells on the same machine whether the process still runs. */
  readonly maker: string
}

/** Says what has been stored so far: a backup that is killed goes on from there, and a collector leaves its packs alone. */
export interface Journal {
  /** A part, or some files of one, that is stored. */
  add(table: TableName, part: PartEntry): Promise<void>
  /** Write down what was added. */
  flush(): Promise<void>
  /** Keys of what was written. */
  readonly keys: readonly string[]
}

/** Work that may have to be done again after a kill: so long, or so many bytes. */
const EVERY_SECONDS = 30
const EVERY_BYTES = 64 * MIB
/** Rows of JSON in a record; they shrink to a fifth, well below what a record may hold. */
const RECORD_TEXT = 1 << 20

/** A journal of this session. A session that stores nothing leaves none. */
export function openJournal(
  repository: Repository,
  { session, server, maker }: Journalist,
  { random, clock }: { readonly random: Random; readonly clock: () => Date },
): Journal {
  let waiting: { readonly table: TableName; readonly part: PartEntry }[] = []
  let size = 0
  let bytes = 0
  let last = clock().getTime()
  const keys: string[] = []
  let writing = Promise.resolve()

  const write = async (): Promise<void> => {
    if (waiting.length === 0) return
    const entries = waiting
    waiting = []
    size = 0
    bytes = 0
    last = clock().getTime()
    const tables = [...Map.groupBy(entries, ({ table }) => tableKey(table)).values()].map((rows) => {
      const { head, body } = encodeParts(rows.map(({ part }) => part))
      const { database, name } = (rows[0] as (typeof rows)[number]).table
      return { database, name, head: encodeHead(head), body }
    })
    const packs = new Set(entries.flatMap(({ part }) => part.segments.map(({ pack }) => pack.id)))
    const key = layout.sessions.key(session, keys.length)
    keys.push(key)
    const record = encodeRecord(
      { kind: 'journal', key },
      [
        { name: 'session', reader: 'list', value: { at: clock().toISOString(), packs: [...packs] } },
        { name: 'stored', reader: 'meta', value: { server, maker, tables } },
      ],
      { keys: repository.keys, random },
    )
    await repository.storage.put(key, record, { ifAbsent: true })
  }
  // One after another: numbers in a row, and never more than one record in memory.
  const flush = (): Promise<void> => (writing = writing.then(write))

  return {
    keys,
    flush,
    add: async (table, part) => {
      waiting.push({ table, part })
      size += sizeOf(part)
      bytes += part.bytes
      if (size > RECORD_TEXT || bytes >= EVERY_BYTES || clock().getTime() - last > EVERY_SECONDS * 1000) await flush()
    },
  }
}

/** What earlier sessions of a server stored and did not commit, or this one before it had to begin again. */
export interface Journals {
  /** Sessions, and who wrote them. */
  readonly sessions: readonly JournalOf[]
  /** Ids of their packs. */
  readonly packs: ReadonlySet<string>
  partsOf(table: TableName, partition: string): Promise<readonly PartEntry[]>
}

export interface JournalOf {
  readonly session: string
  readonly maker: string
  readonly keys: readonly string[]
}

/** Read the journals of a server's sessions. Parts are read a table at a time, and only that table's are kept. */
export async function readJournals(repository: Repository, server: string): Promise<Journals> {
  const { storage } = repository
  const limit = pLimit(storage.traits.connections)
  const keys = await journalKeys(repository)
  const sessions = new Map<string, JournalOf & { readonly keys: string[] }>()
  const holders = new Map<string, string[]>()
  const packs = new Set<string>()
  const read = (key: string) => limit(() => readStored(repository, key))
  for (const [key, stored] of await Promise.all(keys.map(async (one) => [one, await read(one)] as const))) {
    if (stored?.server !== server) continue
    const id = sessionOf(key)
    const session = sessions.get(id) ?? { session: id, maker: stored.maker, keys: [] }
    session.keys.push(key)
    sessions.set(id, session)
    for (const pack of stored.packs) packs.add(pack)
    for (const table of stored.tables) holders.set(tableKey(table), [...(holders.get(tableKey(table)) ?? []), key])
  }
  const load = async (table: string): Promise<ReadonlyMap<string, readonly PartEntry[]>> => {
    const found = await Promise.all((holders.get(table) ?? []).map(async (key) => [key, await read(key)] as const))
    const parts = found.flatMap(([key, stored]) =>
      (stored?.tables ?? [])
        .filter((row) => tableKey(row) === table)
        .flatMap(({ head, body }) => decoding(repository, key, () => decodeParts(decodeHead(head), body))),
    )
    return Map.groupBy(parts, (part) => parsePartName(part.name)?.partition ?? '')
  }
  let last: { readonly table: string; readonly parts: ReturnType<typeof load> } | undefined
  return {
    sessions: [...sessions.values()],
    packs,
    partsOf: async (table, partition) => {
      const key = tableKey(table)
      if (!holders.has(key)) return []
      if (last?.table !== key) last = { table: key, parts: load(key) }
      return (await last.parts).get(partition) ?? []
    },
  }
}

/** What a running session has stored, for a collector: keys of packs, and when that was written down last. */
export interface RunningSession {
  readonly session: string
  readonly at: Date
  readonly packs: readonly string[]
  readonly keys: readonly string[]
}

/** @throws DAMAGED */
export async function readSessions(repository: Repository): Promise<readonly RunningSession[]> {
  const limit = pLimit(repository.storage.traits.connections)
  const keys = await journalKeys(repository)
  const records = await Promise.all(keys.map((key) => limit(() => readHeartbeat(repository, key))))
  const found = records.flatMap((record, index) => (record ? [{ ...record, key: keys[index] ?? '' }] : []))
  return [...Map.groupBy(found, ({ key }) => sessionOf(key))].map(([session, rows]) => ({
    session,
    at: new Date(Math.max(...rows.map(({ at }) => Date.parse(at)))),
    packs: rows.flatMap((row) => row.packs),
    keys: rows.map((row) => row.key),
  }))
}

const heartbeatSchema = z.looseObject({ at: z.iso.datetime(), packs: z.array(z.string().regex(/^[0-9a-f]{64}$/)) })
const storedSchema = z.looseObject({
  server: z.string(),
  maker: z.string(),
  tables: z.array(z.looseObject({ database: z.string(), name: z.string(), head: z.string(), body: z.string() })),
})

async function readHeartbeat(repository: Repository, key: string) {
  const record = await readRecordIfThere(repository, { kind: 'journal', key })
  if (!record) return undefined
  const { at, packs } = decoding(repository, key, () => heartbeatSchema.parse(record.get('session')))
  return { at, packs: packs.map(layout.packs.key) }
}

async function readStored(repository: Repository, key: string) {
  const record = await readRecordIfThere(repository, { kind: 'journal', key })
  return (
    record &&
    decoding(repository, key, () => ({
      ...storedSchema.parse(record.get('stored')),
      packs: heartbeatSchema.parse(record.get('session')).packs,
    }))
  )
}

async function journalKeys({ storage }: Repository): Promise<readonly string[]> {
  const keys: string[] = []
  for await (const { key } of storage.list(layout.sessions.prefix)) if (/^\d+$/.test(nameOf(key))) keys.push(key)
  return keys
}

function decoding<T>({ storage }: Repository, key: string, decode: () => T): T {
  try {
    return decode()
  } catch (error) {
    if (error instanceof Corrupt) throw damaged(storage, key, error)
    if (error instanceof z.ZodError) throw damaged(storage, key, new Corrupt('is no journal', { cause: error }))
    throw error
  }
}

function sessionOf(key: string): string {
  return key.split('/')[1] ?? ''
}

function tableKey({ database, name }: TableName): string {
  return JSON.stringify([database, name])
}

// What a row will take as JSON, nearly: lists of files and segments are all that grows.
function sizeOf({ files, segments }: PartEntry): number {
  return 300 + files.length * 30 + segments.reduce((sum, { frames = [] }) => sum + 24 + frames.length * 8, 0)
}
