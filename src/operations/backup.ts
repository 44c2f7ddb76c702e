import { PermafrostError } from '../core/errors.ts'
import { collectFindings } from '../core/events.ts'
import type { Finding } from '../core/events.ts'
import type { BackupSummary } from '../core/manifest.ts'
import { plural } from '../core/units.ts'
import { readDatabases } from '../engine/catalog.ts'
import { freezeTables } from '../engine/freeze.ts'
import type { Freeze } from '../engine/freeze.ts'
import { readServerParts } from '../engine/parts.ts'
import { clearStaleFreezes } from '../engine/unfreeze.ts'
import { planBackup } from './backup-plan.ts'
import type { BackupChoice } from './backup-plan.ts'
import type { Context } from './context.ts'
import { dumpRows } from './dump-rows.ts'
import { frozenTables } from './frozen-tables.ts'
import { findInterrupted } from './interrupted.ts'
import { pendingMutations } from './pending-mutations.ts'
import { readDefinitions } from './read-definitions.ts'
import { storeBackup } from './store-backup.ts'

export interface BackupOptions extends BackupChoice {
  readonly tags?: readonly string[]
  /** Refuse to begin anew: there must be a run to go on with. */
  readonly resume?: boolean
}

export interface BackupResult {
  readonly summary: BackupSummary
  readonly findings: readonly Finding[]
}

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
  const started = ctx.clock()
  const info = await ctx.engine.describe()
  await clearStaleFreezes({ engine: ctx.engine, info, disk: ctx.disk }, ctx.self, emit)
  const plan = await planBackup(ctx, options)
  for (const finding of plan.findings) emit({ type: 'finding', ...finding })
  const databases = await readDatabases(ctx.engine)
  const definitions = await readDefinitions(ctx, plan)
  const interrupted = await findInterrupted(ctx, { server: info.id, demanded: options.resume ?? false })

  emit({ type: 'phase', phase: 'freeze', message: `freezing ${plural(plan.tables.length, 'table')}` })
  await using freeze = await freezeTables(plan.tables, ctx)
  const names = new Set(freeze.tables.map(({ table }) => table.database))
  const serverParts = await readServerParts(ctx.engine, info, [...names])
  const frozen = frozenTables(freeze, { before: plan.parts, after: serverParts, emit })
  if (frozen.length === 0) throw nothingFrozen(freeze)
  const mutations = await pendingMutations(definitions.mutations, frozen, ctx)
  await using dumped = await dumpRows(plan.rows, ctx)

  const selection = options.selector.patterns.map((pattern) => pattern.text)
  const server = {
    started,
    info,
    databases,
    tables: [...frozen, ...dumped.tables],
    definitions: { ...definitions, mutations },
    serverParts,
    interrupted,
  }
  const summary = await storeBackup({ ...ctx, findings }, server, { tags: options.tags ?? [], selection })
  return { summary, findings }
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
