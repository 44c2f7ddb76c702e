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
import { makeFreezeName } from '../engine/freeze-name.ts'
import { readProofs } from '../repository/attestations.ts'
import { prepareBackup } from '../repository/backups.ts'
import type { Manifest, PreparedBackup } from '../repository/backups.ts'
import { forget } from '../repository/forgotten.ts'
import { handshake } from '../repository/handshake.ts'
import type { Commitment, HandshakeOutcome } from '../repository/handshake.ts'
import { openJournal, readJournals } from '../repository/journal.ts'
import type { Journals } from '../repository/journal.ts'
import { readCondemned } from '../repository/marks.ts'
import { reachable } from '../repository/reachable.ts'
import { metaWriter } from '../repository/meta-writer.ts'
import { openSession } from '../repository/session.ts'
import { planBackup } from './backup-plan.ts'
import type { Context } from './context.ts'
import { poolOf } from './context.ts'
import { frozenTables } from './frozen-tables.ts'
import { clearJournals, findInterrupted, goneKeys } from './interrupted.ts'
import { findParents } from './parents.ts'
import { progressOf } from './progress.ts'
import type { Done } from './progress.ts'
import { storeManifest } from './store-manifest.ts'
import { storeQueue } from './store-queue.ts'
import { storeTables } from './store-tables.ts'
import type { StoredTable } from './store-tables.ts'

export interface BackupOptions {
  readonly selector: Selector
  readonly tags?: readonly string[]
  /** Turn lightweight updates into ordinary parts first; they are in no FREEZE otherwise. */
  readonly applyPatches?: boolean
  /** Refuse to begin anew: there must be a run to go on with. */
  readonly resume?: boolean
}

export interface BackupResult {
  readonly summary: BackupSummary
  readonly findings: readonly Finding[]
}

/** A collector that is faster than a writer again and again is no race any more. */
const TRIES = 5

/**
 * Make a backup: freeze every table at one instant, store the parts that the repository does not have, announce, look, and
 * commit. What could not be stored is a finding with severity `incomplete` or `damage`; the backup says so, and is as good
 * as it can be. Parts that an earlier, killed run stored are not stored again.
 *
 * @throws NOT_FOUND when no table is meant; ENGINE_UNAVAILABLE, STORAGE_UNAVAILABLE, UNAUTHORIZED, CANCELLED, CONFLICT when
 *   the backup was taken for dead
 */
export async function backup(outer: Context, options: BackupOptions): Promise<BackupResult> {
  const { emit, findings } = collectFindings(outer.emit)
  const ctx = { ...outer, emit }
  const { repository, random, clock } = ctx
  const started = clock()
  const info = await ctx.engine.describe()
  await clearStaleFreezes({ engine: ctx.engine, info, disk: ctx.disk }, ctx.self, emit)
  const plan = await planBackup(ctx, options)
  for (const finding of plan.findings) emit({ type: 'finding', ...finding })
  const databases = await readDatabases(ctx.engine)
  const interrupted = await findInterrupted(ctx, { server: info.id, demanded: options.resume ?? false })

  emit({ type: 'phase', phase: 'freeze', message: `freezing ${plural(plan.tables.length, 'table')}` })
  await using freeze = await freezeTables(plan.tables, ctx)
  const names = new Set(freeze.tables.map(({ table }) => table.database))
  const serverParts = await readServerParts(ctx.engine, info, [...names])
  const frozen = frozenTables(freeze, { before: plan.parts, after: serverParts, emit })
  if (frozen.length === 0) throw nothingFrozen(freeze)

  const session = openSession(repository, random)
  const journalist = { session: session.id, server: info.id, maker: makeFreezeName(ctx.self, random) }
  const journal = openJournal(repository, journalist, { random, clock })
  const meta = metaWriter(repository, { session: session.id, random })
  const progress = progressOf(ctx, { phase: 'store', tables: frozen, serverParts })
  let packs = 0
  await using pool = poolOf(ctx, (bytes) => {
    packs += bytes
    progress.moved(bytes)
  })
  const queue = storeQueue({ pool, session, suite: repository.keys.suite, random })
  const reach = reachable(repository)
  const avoid = new Set(await keysToAvoid(repository))

  const manifest = async (journals: Journals): Promise<Manifest> => {
    const parents = await findParents(repository, plan.tables, { server: info.id, reach, journals, avoid, emit })
    emit({ type: 'phase', phase: 'store', message: `storing ${plural(progress.total.parts, 'part')}` })
    const onDone = (done: Done) => progress.done(done)
    const stored = await storeTables(frozen, {
      ...ctx,
      pool,
      queue,
      meta,
      journal,
      parents,
      serverParts,
      onDone,
    })
    emit({ type: 'phase', phase: 'commit', message: 'committing' })
    const tables = await storeManifest(stored, { freeze, parents, meta })
    const summary: BackupSummary = {
      ...totalsOf(tables, stored),
      id: makeBackupId(started, random(6)),
      status: findings.some(isLoss) ? 'incomplete' : 'complete',
      started: started.toISOString(),
      finished: clock().toISOString(),
      host: info.host,
      server: info.id,
      clickhouse: info.version,
      permafrost: ctx.version,
      session: session.id,
      ...(parents.newest && { parent: parents.newest }),
      tags: options.tags ?? [],
      selection: options.selector.patterns.map((pattern) => pattern.text),
      stored: packs + meta.stored,
      findings: findings.length,
    }
    return { summary, contents: { databases: usedDatabases(databases, tables), tables, findings } }
  }

  let made: { readonly summary: BackupSummary; readonly prepared: PreparedBackup } | undefined
  const commitment: Commitment = {
    prepare: async (lost) => {
      for (const key of lost) avoid.add(key)
      // The second time, what this session stored before is in its own journal.
      const journals = lost.size === 0 ? interrupted : await readJournals(repository, info.id)
      const whole = await manifest(journals)
      const prepared = await prepareBackup(repository, whole, { meta, random })
      made = { summary: whole.summary, prepared }
      await journal.flush()
      return { blocks: prepared.blocks, reach: await reach.from(prepared.blocks) }
    },
    commit: async (announcement) => made?.prepared.commit(announcement),
    withdraw: async () => {
      const now = clock().toISOString()
      const withdrawn = { backup: made?.summary.id ?? '', by: info.host, at: now, notBefore: now, reason: 'withdrawn' }
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
  await clearJournals(ctx, [...journal.keys, ...goneKeys(interrupted, ctx.self)])
  return { summary: made.summary, findings }
}

/** Does this finding mean that rows are missing, or bytes wrong? */
export function isLoss(finding: Finding): boolean {
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
