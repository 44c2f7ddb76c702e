import pLimit from 'p-limit'
import { hasCode } from '../core/errors.ts'
import { layout, nameOf } from '../core/layout.ts'
import type { Random } from './marks.ts'
import { readRecordIfThere } from './read-record.ts'
import { encodeRecord } from './records.ts'
import type { Repository } from './repository.ts'

// What agents did, and who changed what: records beside the backups, so that an agent needs no database and its history
// outlives its machine. Nothing depends on them: one that does not read is passed over, and a collector bounds their number.

export type Stage = 'begin' | 'end'

/** An operation as it was written down; without `end`, it runs, or whoever ran it is gone. */
export interface RecordedOperation {
  readonly id: string
  readonly begin?: unknown
  readonly end?: unknown
}

/** Operations, and audit entries, that a collector leaves. */
const MOST_KEPT = 2000

/** Write down that an operation begins, or has ended. Ids sort by time. */
export async function recordOperation(
  repository: Repository,
  { id, stage, value }: { readonly id: string; readonly stage: Stage; readonly value: unknown },
  random: Random,
): Promise<void> {
  await put(repository, { kind: 'operation', key: layout.operations.key(id, stage), value }, random)
}

/** The newest operations, oldest first. */
export async function readOperations(repository: Repository, newest: number): Promise<readonly RecordedOperation[]> {
  const keys = await keysBelow(repository, layout.operations.prefix)
  const stages = Map.groupBy(keys, operationOf)
  const limit = pLimit(repository.storage.traits.connections)
  const ids = [...stages.keys()].sort().slice(-newest)
  return Promise.all(
    ids.map((id) =>
      limit(async () => {
        const isOver = stages.get(id)?.includes(layout.operations.key(id, 'end')) ?? false
        const stage = isOver ? 'end' : 'begin'
        return { id, [stage]: await read(repository, 'operation', layout.operations.key(id, stage)) }
      }),
    ),
  )
}

/** Write down who changed what. */
export async function recordAudit(
  repository: Repository,
  { id, value }: { readonly id: string; readonly value: unknown },
  random: Random,
): Promise<void> {
  await put(repository, { kind: 'audit', key: layout.audit.key(id), value }, random)
}

/** The newest audit entries, newest first. */
export async function readAudit(repository: Repository, newest: number): Promise<readonly unknown[]> {
  const keys = (await keysBelow(repository, layout.audit.prefix)).toSorted().slice(-newest).toReversed()
  const limit = pLimit(repository.storage.traits.connections)
  const entries = await Promise.all(keys.map((key) => limit(() => read(repository, 'audit', key))))
  return entries.filter((entry) => entry !== undefined)
}

/** Delete what is beyond the bound; the collector's. */
export async function trimHistory(repository: Repository): Promise<void> {
  const operations = await keysBelow(repository, layout.operations.prefix)
  const kept = new Set([...new Set(operations.map(operationOf))].sort().slice(-MOST_KEPT))
  const audit = (await keysBelow(repository, layout.audit.prefix)).toSorted()
  const over = [...operations.filter((key) => !kept.has(operationOf(key))), ...audit.slice(0, -MOST_KEPT)]
  if (over.length > 0) await repository.storage.delete(over)
}

function operationOf(key: string): string {
  return nameOf(key.slice(0, key.lastIndexOf('/')))
}

async function keysBelow({ storage }: Repository, prefix: string): Promise<readonly string[]> {
  const keys: string[] = []
  for await (const { key } of storage.list(prefix)) keys.push(key)
  return keys
}

async function put(
  { storage, keys }: Repository,
  { kind, key, value }: { readonly kind: string; readonly key: string; readonly value: unknown },
  random: Random,
): Promise<void> {
  const section = { name: kind, reader: 'meta', value } as const
  await storage.put(key, encodeRecord({ kind, key }, [section], { keys, random }), { ifAbsent: true })
}

async function read(repository: Repository, kind: string, key: string): Promise<unknown> {
  const record = await readRecordIfThere(repository, { kind, key }).catch((error: unknown) => {
    if (!hasCode(error, 'DAMAGED')) throw error
  })
  return record?.get(kind)
}
