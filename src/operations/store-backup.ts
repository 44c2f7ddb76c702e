import { makeBackupId } from '../core/backup-id.ts'
import { PermafrostError } from '../core/errors.ts'
import type { Finding } from '../core/events.ts'
import type { Definitions } from '../core/definitions.ts'
import type { BackupSummary, DatabaseEntry, TableEntry } from '../core/manifest.ts'
import type { TableName } from '../core/sql.ts'
import { plural } from '../core/units.ts'
import type { ServerInfo } from '../engine/engine.ts'
import { makeFreezeName } from '../engine/freeze-name.ts'
import type { ServerParts } from '../engine/parts.ts'
import { readProofs } from '../repository/attestations.ts'
import { prepareBackup } from '../repository/backups.ts'
import type { Manifest, PreparedBackup } from '../repository/backups.ts'
import { forget } from '../repository/forgotten.ts'
import { handshake } from '../repository/handshake.ts'
import type { Commitment, HandshakeOutcome } from '../repository/handshake.ts'
import { openJournal, readJournals } from '../repository/journal.ts'
import type { Journals } from '../repository/journal.ts'
import { readCondemned } from '../repository/marks.ts'
import { metaWriter } from '../repository/meta-writer.ts'
import { reachable } from '../repository/reachable.ts'
import { openSession } from '../repository/session.ts'
import { poolOf } from './context.ts'
import type { Context } from './context.ts'
import type { FrozenTable } from './frozen-tables.ts'
import { clearJournals, goneKeys } from './interrupted.ts'
import { findParents } from './parents.ts'
import { progressOf } from './progress.ts'
import type { Done } from './progress.ts'
import { storeManifest } from './store-manifest.ts'
import { storeQueue } from './store-queue.ts'
import { storeTables } from './store-tables.ts'
import type { StoredTable } from './store-tables.ts'

/** A server whose tables are frozen. */
export interface FrozenServer {
  readonly started: Date
  readonly info: Pick<ServerInfo, 'id' | 'host' | 'version'>
  readonly databases: readonly DatabaseEntry[]
  readonly tables: readonly FrozenTable[]
  readonly definitions: Definitions
  readonly serverParts: ServerParts
  /** What runs that ended early have stored of it. */
  readonly interrupted: Journals
}

export interface StoreBackupContext extends Omit<Context, 'engine'> {
  /** Everything that was found so far, and will be. */
  readonly findings: readonly Finding[]
}

/** A collector that is faster than a writer again and again is no race any more. */
const TRIES = 5

/** Store what the repository does not have of these tables, announce, look, and commit. @throws CONFLICT when taken for dead */
export async function storeBackup(
  ctx: StoreBackupContext,
  server: FrozenServer,
  { tags, selection }: Pick<BackupSummary, 'tags' | 'selection'>,
): Promise<BackupSummary> {
  const { repository, random, clock, emit, findings } = ctx
  const frozenTables = server.tables.map(({ table }) => table)
  const session = openSession(repository, random)
  const journalist = { session: session.id, server: server.info.id, maker: makeFreezeName(ctx.self, random) }
  const journal = openJournal(repository, journalist, { random, clock })
  const meta = metaWriter(repository, { session: session.id, random })
  const progress = progressOf(ctx, { phase: 'store', tables: server.tables, serverParts: server.serverParts })
  let packs = 0
  await using pool = poolOf(ctx, (bytes) => {
    packs += bytes
    progress.moved(bytes)
  })
  const queue = storeQueue({ pool, session, suite: repository.keys.suite, random })
  const reach = reachable(repository)
  const avoid = new Set(await keysToAvoid(repository))

  const manifest = async (journals: Journals): Promise<Manifest> => {
    const parents = await findParents(repository, frozenTables, {
      server: server.info.id,
      reach,
      journals,
      avoid,
      emit,
    })
    emit({ type: 'phase', phase: 'store', message: `storing ${plural(progress.total.parts, 'part')}` })
    const onDone = (done: Done) => progress.done(done)
    const stored = await storeTables(server.tables, {
      ...ctx,
      pool,
      queue,
      meta,
      journal,
      parents,
      serverParts: server.serverParts,
      onDone,
    })
    emit({ type: 'phase', phase: 'commit', message: 'committing' })
    const tables = await storeManifest(stored, { parents, meta })
    const summary: BackupSummary = {
      ...totalsOf(tables, stored),
      id: makeBackupId(server.started, random(6)),
      status: findings.some(isLoss) ? 'incomplete' : 'complete',
      started: server.started.toISOString(),
      finished: clock().toISOString(),
      host: server.info.host,
      server: server.info.id,
      clickhouse: server.info.version,
      permafrost: ctx.version,
      session: session.id,
      ...(parents.newest && { parent: parents.newest }),
      tags,
      selection,
      stored: packs + meta.stored,
      findings: findings.length,
    }
    const { definitions } = server
    const databases = usedDatabases(server.databases, [...tables, ...definitions.objects])
    return { summary, contents: { databases, tables, definitions, findings } }
  }

  let made: { readonly summary: BackupSummary; readonly prepared: PreparedBackup } | undefined
  const commitment: Commitment = {
    prepare: async (lost) => {
      for (const key of lost) avoid.add(key)
      // The second time, what this session stored before is in its own journal.
      const journals = lost.size === 0 ? server.interrupted : await readJournals(repository, server.info.id)
      const whole = await manifest(journals)
      const prepared = await prepareBackup(repository, whole, { meta, random })
      made = { summary: whole.summary, prepared }
      await journal.flush()
      return { blocks: prepared.blocks, reach: await reach.from(prepared.blocks) }
    },
    commit: async (announcement) => made?.prepared.commit(announcement),
    withdraw: async () => {
      const now = clock().toISOString()
      const withdrawn = {
        backup: made?.summary.id ?? '',
        by: server.info.host,
        at: now,
        notBefore: now,
        reason: 'withdrawn',
      }
      await forget(repository, withdrawn, random)
    },
  }
  const outcome = await handshake(repository, commitment, { ...ctx, session: session.id, tries: TRIES }).catch(
    async (error: unknown) => {
      // The next run goes on from what is written down; when even that fails, the first error is the one to hear of.
      await journal.flush().catch(() => undefined)
      throw error
    },
  )
  if (outcome !== 'committed' || !made) throw notCommitted(outcome)
  await clearJournals(ctx, [...journal.keys, ...goneKeys(server.interrupted, ctx.self)])
  return made.summary
}

/** Does this finding mean that rows are missing, or bytes wrong? */
function isLoss(finding: Finding): boolean {
  return finding.severity === 'incomplete' || finding.severity === 'damage'
}

/** Condemned, or found to be damaged: what lies there is stored again, and so heals with the next backup. */
async function keysToAvoid(repository: Context['repository']): Promise<readonly string[]> {
  const proofs = await readProofs(repository)
  const damaged = [...proofs.values()].flatMap((proof) => proof.damaged?.bad ?? [])
  return [...(await readCondemned(repository)).flatMap(({ objects }) => objects), ...damaged]
}

function notCommitted(outcome: HandshakeOutcome): PermafrostError {
  const again = { hint: 'run it again: what it stored is not stored twice' }
  if (outcome === 'revoked')
    return new PermafrostError('CONFLICT', 'the backup was taken for dead while it ran, and is withdrawn', again)
  return new PermafrostError('CONFLICT', 'prune kept condemning what the backup was about to point to', again)
}

function totalsOf(tables: readonly TableEntry[], stored: readonly StoredTable[]) {
  const sum = (count: (table: TableEntry) => number) => tables.reduce((total, table) => total + count(table), 0)
  return {
    tables: tables.length,
    parts: sum((table) => table.parts),
    rows: sum((table) => table.rows),
    logical: sum((table) => table.bytes),
    reused: stored.reduce((total, table) => total + table.reused, 0),
  }
}

function usedDatabases(databases: readonly DatabaseEntry[], tables: readonly TableName[]): readonly DatabaseEntry[] {
  const used = new Set(tables.map((table) => table.database))
  return databases.filter((database) => used.has(database.name))
}
