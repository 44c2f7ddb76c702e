import { PermafrostError } from '../core/errors.ts'
import type { DatabaseEntry } from '../core/manifest.ts'
import type { Classified } from '../core/posthog.ts'
import type { Selector } from '../core/selector.ts'
import type { TableName } from '../core/sql.ts'
import { plural } from '../core/units.ts'
import { readDatabases } from '../engine/catalog.ts'
import type { ServerInfo } from '../engine/engine.ts'
import { freezeTables } from '../engine/freeze.ts'
import type { Freeze } from '../engine/freeze.ts'
import type { ServerParts } from '../engine/parts.ts'
import { clearStaleFreezes } from '../engine/unfreeze.ts'
import { planBackup } from './backup-plan.ts'
import type { BackupPlan } from './backup-plan.ts'
import type { Context } from './context.ts'
import { frozenTables } from './frozen-tables.ts'
import type { FrozenTable } from './frozen-tables.ts'

/** A server whose tables are frozen. */
export interface FrozenServer {
  readonly started: Date
  readonly info: Pick<ServerInfo, 'id' | 'host' | 'version'>
  readonly databases: readonly DatabaseEntry[]
  readonly tables: readonly FrozenTable[]
  readonly serverParts: ServerParts
}

/** What to freeze. */
export interface FreezeWish {
  readonly selector: Selector
  /** Turn lightweight updates into ordinary parts first; they are in no FREEZE otherwise. */
  readonly applyPatches?: boolean
  /** Read the rows of tables that have no parts. */
  readonly nonMergeTree?: boolean
  /** Of the selected tables, leave out those that it puts into another class than `must keep`, and say why. */
  readonly classify?: ((table: TableName) => Classified) | undefined
}

/** A server that is about to be frozen. */
export interface PlannedServer {
  readonly started: Date
  readonly info: ServerInfo
  readonly databases: readonly DatabaseEntry[]
  readonly plan: BackupPlan
}

/**
 * Clear what killed runs left, and choose what to freeze.
 *
 * @throws NOT_FOUND when no table is meant; ENGINE_UNAVAILABLE, ENGINE_REFUSED
 */
export async function planServer(ctx: Omit<Context, 'repository'>, wish: FreezeWish): Promise<PlannedServer> {
  const { engine, disk, emit } = ctx
  const started = ctx.clock()
  const info = await engine.describe()
  await clearStaleFreezes({ engine, info, disk }, ctx.self, emit)
  const [plan, databases] = await Promise.all([planBackup(ctx, wish), readDatabases(engine)])
  for (const finding of plan.findings) emit({ type: 'finding', ...finding })
  return { started, info, databases, plan }
}

/**
 * Freeze what was planned, all at one instant; dispose of it to unfreeze.
 *
 * @throws ENGINE_UNAVAILABLE, ENGINE_REFUSED, CANCELLED; NOT_FOUND when every table is gone by now
 */
export async function freezeServer(
  ctx: Omit<Context, 'repository'>,
  { started, info, databases, plan }: PlannedServer,
): Promise<FrozenServer & AsyncDisposable> {
  const { emit } = ctx
  emit({ type: 'phase', phase: 'freeze', message: `freezing ${plural(plan.tables.length, 'table')}` })
  const freeze = await freezeTables(plan.tables, ctx)
  const unfreeze = () => freeze[Symbol.asyncDispose]()
  try {
    const { serverParts } = freeze
    const tables = frozenTables(freeze, { before: plan.parts, after: serverParts, emit })
    if (tables.length === 0) throw nothingFrozen(freeze)
    return { started, info, databases, tables, serverParts, [Symbol.asyncDispose]: unfreeze }
  } catch (error) {
    await unfreeze()
    throw error
  }
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
