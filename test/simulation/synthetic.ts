import { createHash } from 'node:crypto'
import { EMPTY_HEAD, encodeParts } from '../../src/core/manifest-codec.ts'
import { layout } from '../../src/core/layout.ts'
import { makeBackupId } from '../../src/core/backup-id.ts'
import { hasCode } from '../../src/core/errors.ts'
import type { PartEntry } from '../../src/core/manifest.ts'
import {
  addPartitions,
  listBackups,
  prepareBackup,
  readContents,
  readParts,
  readPartitions,
} from '../../src/repository/backups.ts'
import { forget } from '../../src/repository/forgotten.ts'
import { handshake } from '../../src/repository/handshake.ts'
import type { HandshakeOutcome } from '../../src/repository/handshake.ts'
import { readCondemned } from '../../src/repository/marks.ts'
import { metaWriter } from '../../src/repository/meta-writer.ts'
import { packCipher } from '../../src/repository/pack-format.ts'
import { packBufferSize, packWriter } from '../../src/repository/pack-writer.ts'
import { partitionDigest } from '../../src/repository/part-identity.ts'
import { reachable } from '../../src/repository/reachable.ts'
import type { Repository } from '../../src/repository/repository.ts'
import { openSession } from '../../src/repository/session.ts'

/** A part that is nothing but its name and its bytes. */
export interface SyntheticPart {
  readonly name: string
  readonly content: Uint8Array
}

export interface Actor {
  readonly random: (size: number) => Uint8Array
  readonly clock: () => Date
  readonly signal: AbortSignal
}

const SCHEMA = JSON.stringify({
  create: 'CREATE TABLE s.t',
  columns: [],
  partitionKey: '',
  sortingKey: '',
  primaryKey: '',
  samplingKey: '',
})

/**
 * A backup of a server that has these parts, by the repository's own means: parts of the newest backup are pointed to, the
 * others stored, and the handshake decides.
 */
export async function syntheticBackup(
  repository: Repository,
  parts: readonly SyntheticPart[],
  { random, clock, signal }: Actor,
): Promise<{ readonly outcome: HandshakeOutcome; readonly id: string }> {
  const session = openSession(repository, random)
  const started = clock()
  const id = makeBackupId(started, random(6))
  const avoid = new Set((await readCondemned(repository)).flatMap(({ objects }) => objects))
  const own = new Map<string, PartEntry>()
  let commit: ((announcement: string) => Promise<void>) | undefined
  const prepare = async (lost: ReadonlySet<string>) => {
    for (const key of lost) avoid.add(key)
    const known = new Map([...(await knownParts(repository)), ...own])
    const isThere = (part: PartEntry) => part.segments.every(({ pack }) => !avoid.has(layout.packs.key(pack.id)))
    const entries: PartEntry[] = []
    for (const part of parts) {
      const found = known.get(part.name)
      const entry = found && isThere(found) ? found : await storePart(repository, part, { session, random })
      own.set(part.name, entry)
      entries.push(entry)
    }
    const meta = metaWriter(repository, { session: session.id, random })
    const { head, body } = encodeParts(entries)
    const block = await meta.add(head, body)
    await meta.flush()
    const bytes = entries.reduce((sum, part) => sum + part.bytes, 0)
    const totals = { rows: entries.length, bytes, parts: entries.length }
    const blocks = [{ block: block.pointer(), parts: entries.length }]
    const list = await addPartitions(meta, [
      { id: 'all', ...totals, suspect: 0, digest: partitionDigest(entries), blocks },
    ])
    const schema = await meta.add(EMPTY_HEAD, SCHEMA)
    await meta.flush()
    const at = clock().toISOString()
    const table = { database: 's', name: 't', engine: 'MergeTree', ...totals, frozenAt: at }
    const contents = {
      databases: [],
      tables: [{ ...table, schema: schema.pointer(), partitions: list.pointer() }],
      findings: [],
    }
    const summary = {
      id,
      status: 'complete' as const,
      started: started.toISOString(),
      finished: at,
      host: 'h',
      server: 'h',
      clickhouse: '0',
      permafrost: '0',
      session: session.id,
      tags: [],
      selection: ['*.*'],
      tables: 1,
      ...totals,
      logical: bytes,
      stored: 0,
      reused: 0,
      findings: 0,
    }
    const prepared = await prepareBackup(repository, { summary, contents }, { meta, random })
    commit = (announcement) => prepared.commit(announcement)
    return { blocks: prepared.blocks, reach: await reachable(repository).from(prepared.blocks) }
  }
  const now = clock().toISOString()
  const withdrawn = { backup: id, by: 'h', at: now, notBefore: now, reason: 'withdrawn' }
  const outcome = await handshake(
    repository,
    {
      prepare,
      commit: async (announcement) => commit?.(announcement),
      withdraw: () => forget(repository, withdrawn, random),
    },
    { session: session.id, tries: 4, random, clock, signal },
  )
  return { outcome, id }
}

async function knownParts(repository: Repository): Promise<ReadonlyMap<string, PartEntry>> {
  const known = new Map<string, PartEntry>()
  try {
    for (const backup of await listBackups(repository, { newest: 1 })) {
      if (backup.outcome !== 'read') continue
      const { tables } = await readContents(repository, backup.id)
      for (const part of await readParts(repository, (await readPartitions(repository, tables)).flat()))
        known.set(part.name, part)
    }
  } catch (error) {
    // Forgotten and collected while it was read: as if there had been none.
    if (!hasCode(error, 'DAMAGED')) throw error
  }
  return known
}

async function storePart(
  { storage, keys }: Repository,
  { name, content }: SyntheticPart,
  { session, random }: { readonly session: ReturnType<typeof openSession>; readonly random: Actor['random'] },
): Promise<PartEntry> {
  const salt = Buffer.from(random(32)).toString('hex')
  const dataKey = await session.dataKey()
  const cipher = packCipher(
    { kind: 'data', suite: keys.suite, session: session.id, salt },
    { head: dataKey, body: dataKey },
  )
  const writer = packWriter(new ArrayBuffer(packBufferSize(content.length)), cipher, content.length)
  const offset = writer.add(content, { role: 'body' })
  const pack = writer.finish()
  await storage.put(layout.packs.key(pack.id), pack.bytes, { ifAbsent: true })
  return {
    name,
    k: createHash('sha256').update(name).digest('hex'),
    rows: 1,
    bytes: content.length,
    disk: 'default',
    files: [['data.bin', content.length]],
    segments: [
      { pack: { id: pack.id, bytes: pack.bytes.length, session: session.id, salt }, offset, plain: content.length },
    ],
  }
}
