import pLimit from 'p-limit'
import { makeBackupId } from '../core/backup-id.ts'
import type { Finding } from '../core/events.ts'
import type { Definitions } from '../core/definitions.ts'
import type { BackupSummary, DatabaseEntry, TableEntry } from '../core/manifest.ts'
import type { TableName } from '../core/sql.ts'
import { plural } from '../core/units.ts'
import { makeFreezeName } from '../engine/freeze-name.ts'
import type { Manifest } from '../repository/backups.ts'
import { openJournal } from '../repository/journal.ts'
import type { Journals } from '../repository/journal.ts'
import { metaWriter } from '../repository/meta-writer.ts'
import type { Pool } from '../repository/pool.ts'
import { openSession } from '../repository/session.ts'
import { commitBackup } from './commit-backup.ts'
import type { Context } from './context.ts'
import type { FrozenServer } from './freeze-server.ts'
import { progressOf } from './progress.ts'
import type { Done } from './progress.ts'
import { storeManifest } from './store-manifest.ts'
import { storeQueue } from './store-queue.ts'
import { storeTables } from './store-tables.ts'
import type { StoredTable } from './store-tables.ts'
import type { StoredBefore } from './stored-before.ts'

/** A frozen server on its way into a repository. */
export interface ServerToStore extends FrozenServer {
  readonly definitions: Definitions
  /** What the repository has of it. */
  readonly before: StoredBefore
}

export interface StoreBackupContext extends Omit<Context, 'engine'> {
  readonly pool: Pool
  /** Everything that was found so far, and will be. */
  readonly findings: readonly Finding[]
}

/** Store what the repository does not have of these tables, announce, look, and commit. @throws CONFLICT when taken for dead */
export async function storeBackup(
  ctx: StoreBackupContext,
  server: ServerToStore,
  { tags, selection }: Pick<BackupSummary, 'tags' | 'selection'>,
): Promise<BackupSummary> {
  const { pool, repository, random, clock, emit, findings } = ctx
  const session = openSession(repository, random)
  const journalist = { session: session.id, server: server.info.id, maker: makeFreezeName(ctx.self, random) }
  const journal = openJournal(repository, journalist, { random, clock })
  const meta = metaWriter(repository, { session: session.id, random })
  const progress = progressOf(ctx, { phase: 'store', tables: server.tables, serverParts: server.serverParts })
  let packs = 0
  pool.onBytes((bytes) => {
    packs += bytes
    progress.moved(bytes)
  })
  const { compression } = ctx.limits
  const queue = storeQueue({ pool, session, suite: repository.keys.suite, random, compression })

  const manifest = async (journals: Journals): Promise<Manifest> => {
    const parents = await server.before.parents(journals)
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
      inTurn: pLimit(1),
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

  return commitBackup(ctx, { session, meta, journal, ...server.before, server: server.info }, manifest)
}

/** Does this finding mean that rows are missing, or bytes wrong? */
function isLoss(finding: Finding): boolean {
  return finding.severity === 'incomplete' || finding.severity === 'damage'
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
