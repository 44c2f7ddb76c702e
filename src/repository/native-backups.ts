import pLimit from 'p-limit'
import { z } from 'zod'
import { Corrupt } from '../core/corrupt.ts'
import { layout, nameOf } from '../core/layout.ts'
import type { DatabaseEntry } from '../core/manifest.ts'
import type { TableName } from '../core/sql.ts'
import type { Random } from './marks.ts'
import { encodeRecord } from './records.ts'
import { damaged, readRecordIfThere } from './read-record.ts'
import type { Repository } from './repository.ts'

/** A backup that the server made itself, and keeps where it was told to: the repository knows of it, and holds none of its bytes. */
export interface NativeBackup {
  readonly id: string
  readonly status: 'complete' | 'incomplete'
  readonly started: string
  readonly finished: string
  readonly host: string
  readonly server: string
  readonly clickhouse: string
  readonly permafrost: string
  /** Where it lies: see `nativeTarget`. */
  readonly to: string
  /** The backup that it cannot be restored without. */
  readonly base?: string | undefined
  readonly tags: readonly string[]
  readonly selection: readonly string[]
  readonly databases: readonly DatabaseEntry[]
  readonly tables: readonly TableName[]
  /** As the server counts them. */
  readonly files: number
  readonly bytes: number
}

const schema: z.ZodType<NativeBackup> = z.looseObject({
  id: z.string(),
  status: z.enum(['complete', 'incomplete']),
  started: z.iso.datetime(),
  finished: z.iso.datetime(),
  host: z.string(),
  server: z.string(),
  clickhouse: z.string(),
  permafrost: z.string(),
  to: z.string(),
  base: z.string().optional(),
  tags: z.array(z.string()),
  selection: z.array(z.string()),
  databases: z.array(z.object({ name: z.string(), engine: z.string(), create: z.string() })),
  tables: z.array(z.object({ database: z.string(), name: z.string() })),
  files: z.number(),
  bytes: z.number(),
})

/** Make it known, last of all. */
export async function recordNative({ storage, keys }: Repository, backup: NativeBackup, random: Random): Promise<void> {
  const key = layout.native.key(backup.id)
  const section = { name: 'native', reader: 'meta', value: backup } as const
  await storage.put(key, encodeRecord({ kind: 'native', key }, [section], { keys, random }), { ifAbsent: true })
}

/** Oldest first. @throws DAMAGED */
export async function listNative(repository: Repository): Promise<readonly NativeBackup[]> {
  const { storage } = repository
  const limit = pLimit(storage.traits.connections)
  const keys: string[] = []
  for await (const { key } of storage.list(layout.native.prefix)) keys.push(key)
  const read = await Promise.all(keys.toSorted().map((key) => limit(() => readNative(repository, key))))
  return read.flat()
}

async function readNative(repository: Repository, key: string): Promise<readonly NativeBackup[]> {
  const record = await readRecordIfThere(repository, { kind: 'native', key })
  // Without the metadata key nobody reads names.
  if (!record?.has('native')) return []
  const parsed = schema.safeParse(record.get('native'))
  if (parsed.success && parsed.data.id === nameOf(key)) return [parsed.data]
  throw damaged(repository.storage, key, new Corrupt('is no record of a native backup'))
}
