import { makeBackupId } from '../core/backup-id.ts'
import { PermafrostError } from '../core/errors.ts'
import { collectFindings } from '../core/events.ts'
import type { Finding } from '../core/events.ts'
import type { BackupSummary, DatabaseEntry, TableEntry } from '../core/manifest.ts'
import type { Selector } from '../core/selector.ts'
import { plural } from '../core/units.ts'
import { readDatabases } from '../engine/catalog.ts'
import { freezeTables } from '../engine/freeze.ts'
import type { Freeze } from '../engine/freeze.ts'
import { readServerParts } from '../engine/parts.ts'
import { clearStaleFreezes } from '../engine/unfreeze.ts'
import { commitBackup } from '../repository/backups.ts'
import { metaWriter } from '../repository/meta-writer.ts'
import { openSession } from '../repository/session.ts'
import { planBackup } from './backup-plan.ts'
import type { Context } from './context.ts'
import { poolOf } from './context.ts'
import { frozenTables } from './frozen-tables.ts'
import { findParents } from './parents.ts'
import { progressOf } from './progress.ts'
import { storeManifest } from './store-manifest.ts'
import { storeQueue } from './store-queue.ts'
import { storeTables } from './store-tables.ts'
import type { StoredTable } from './store-tables.ts'

export interface BackupOptions {
  readonly selector: Selector
  readonly tags?: readonly string[]
  /** Turn lightweight updates into ordinary parts first; they are in no FREEZE otherwise. */
  readonly applyPatches?: boolean
}

export interface BackupResult {
  readonly summary: BackupSummary
  readonly findings: readonly Finding[]
}

/**
 * Make a backup: freeze every table at one instant, store the parts that the repository does not have, and commit. What could
 * not be stored is a finding with severity `incomplete` or `damage`; the backup says so, and is as good as it can be.
 *
 * @throws NOT_FOUND when no table is meant; ENGINE_UNAVAILABLE, STORAGE_UNAVAILABLE, UNAUTHORIZED, CANCELLED
 */
export async function backup(outer: Context, options: BackupOptions): Promise<BackupResult> {
  const { emit, findings } = collectFindings(outer.emit)
  const ctx = { ...outer, emit }
  const started = ctx.clock()
  const info = await ctx.engine.describe()
  await clearStaleFreezes({ engine: ctx.engine, info, disk: ctx.disk }, ctx.self, emit)
  const plan = await planBackup(ctx, options)
  for (const finding of plan.findings) emit({ type: 'finding', ...finding })
  const databases = await readDatabases(ctx.engine)
  const parents = await findParents(ctx.repository, plan.tables, info.id)

  emit({ type: 'phase', phase: 'freeze', message: `freezing ${plural(plan.tables.length, 'table')}` })
  await using freeze = await freezeTables(plan.tables, ctx)
  const names = new Set(freeze.tables.map(({ table }) => table.database))
  const serverParts = await readServerParts(ctx.engine, info, [...names])
  const frozen = frozenTables(freeze, { before: plan.parts, after: serverParts, emit })
  if (frozen.length === 0) throw nothingFrozen(freeze)

  const session = openSession(ctx.repository, ctx.random)
  const meta = metaWriter(ctx.repository, { session: session.id, random: ctx.random })
  const progress = progressOf(ctx, { phase: 'store', tables: frozen, serverParts })
  let packs = 0
  await using pool = poolOf(ctx, (bytes) => {
    packs += bytes
    progress.moved(bytes)
  })
  emit({ type: 'phase', phase: 'store', message: `storing ${plural(progress.total.parts, 'part')}` })
  const queue = storeQueue({ pool, session, suite: ctx.repository.keys.suite, random: ctx.random })
  const stored = await storeTables(frozen, {
    ...ctx,
    pool,
    queue,
    meta,
    parents,
    serverParts,
    onDone: (done) => progress.done(done),
  })

  emit({ type: 'phase', phase: 'commit', message: 'committing' })
  const tables = await storeManifest(stored, { freeze, parents, meta })
  const summary: BackupSummary = {
    ...totalsOf(tables, stored),
    id: makeBackupId(started, ctx.random(6)),
    status: findings.some(isLoss) ? 'incomplete' : 'complete',
    started: started.toISOString(),
    finished: ctx.clock().toISOString(),
    host: info.host,
    server: info.id,
    clickhouse: info.version,
    permafrost: ctx.version,
    session: session.id,
    ...(parents.newest && { parent: parents.newest }),
    tags: options.tags ?? [],
    stored: packs + meta.stored,
    findings: findings.length,
  }
  ctx.signal.throwIfAborted()
  await commitBackup(
    ctx.repository,
    { summary, contents: { databases: usedDatabases(databases, tables), tables, findings } },
    { meta, random: ctx.random },
  )
  return { summary, findings }
}

/** Does this finding mean that rows are missing, or bytes wrong? */
export function isLoss(finding: Finding): boolean {
  return finding.severity === 'incomplete' || finding.severity === 'damage'
}

/** A backup of nothing is none: say why, by the first table's own error. */
function nothingFrozen({ tables }: Freeze): PermafrostError {
  const refused = tables.find((outcome) => outcome.outcome === 'refused')
  if (refused) return refused.error
  if (tables.some((outcome) => outcome.outcome === 'changing')) {
    return new PermafrostError('INCOMPLETE', 'the definition of every table changed while it was frozen', {
      hint: 'run it again when no ALTER runs',
    })
  }
  return new PermafrostError('NOT_FOUND', 'every table that was selected is gone: there is nothing to back up')
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

function usedDatabases(databases: readonly DatabaseEntry[], tables: readonly TableEntry[]): readonly DatabaseEntry[] {
  const used = new Set(tables.map((table) => table.database))
  return databases.filter((database) => used.has(database.name))
}
