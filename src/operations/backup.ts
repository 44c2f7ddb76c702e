import { collectFindings } from '../core/events.ts'
import type { Finding } from '../core/events.ts'
import type { BackupSummary } from '../core/manifest.ts'
import { poolOf } from './context.ts'
import type { Context } from './context.ts'
import { dumpRows } from './dump-rows.ts'
import { freezeServer, planServer } from './freeze-server.ts'
import type { FreezeWish } from './freeze-server.ts'
import { findInterrupted } from './interrupted.ts'
import { pendingMutations } from './pending-mutations.ts'
import { readDefinitions } from './read-definitions.ts'
import { readServerFiles } from './read-server-files.ts'
import { storeBackup } from './store-backup.ts'
import { storedBefore } from './stored-before.ts'

export interface BackupOptions extends FreezeWish {
  readonly tags?: readonly string[]
  /** Refuse to begin anew: there must be a run to go on with. */
  readonly resume?: boolean
  /** Directories whose files are stored as well: the server's configuration, its scripts. */
  readonly serverFiles?: readonly string[]
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
  // Its first worker takes a tenth of a second to start, and the server as long to answer.
  await using pool = poolOf(ctx)
  const files = readServerFiles(options.serverFiles ?? [], ctx)
  const server = (await ctx.engine.describe()).id
  const planning = planServer(ctx, options)
  const [planned, definitions, interrupted] = await Promise.all([
    planning,
    readDefinitions(ctx, planning),
    findInterrupted(ctx, { server, demanded: options.resume ?? false }),
  ])
  const { plan } = planned
  const reading = storedBefore(ctx, { server, tables: [...plan.tables, ...plan.rows], interrupted })
  // Awaited when the tables are frozen, which may fail before.
  reading.catch(() => undefined)
  await using frozen = await freezeServer(ctx, planned)
  const mutations = await pendingMutations(definitions.mutations, frozen.tables, ctx)
  await using dumped = await dumpRows(plan.rows, ctx)

  const selection = options.selector.patterns.map((pattern) => pattern.text)
  const toStore = {
    ...frozen,
    tables: [...frozen.tables, ...dumped.tables],
    definitions: { ...definitions, mutations, ...(files.length > 0 && { files }) },
    before: await reading,
  }
  const summary = await storeBackup({ ...ctx, pool, findings }, toStore, { tags: options.tags ?? [], selection })
  return { summary, findings }
}
