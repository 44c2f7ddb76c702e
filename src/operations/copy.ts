import { PermafrostError } from '../core/errors.ts'
import { layout } from '../core/layout.ts'
import { plural } from '../core/units.ts'
import { backupIds, readReach } from '../repository/backups.ts'
import { sharesKeys } from '../repository/keys.ts'
import { reachable } from '../repository/reachable.ts'
import type { Repository } from '../repository/repository.ts'
import { listPacks } from '../repository/list-packs.ts'
import type { Context } from './context.ts'
import { copyPacks } from './copy-packs.ts'
import { copyParts } from './copy-parts.ts'
import { withPin } from './pin.ts'

export interface CopyContext extends Omit<Context, 'repository' | 'engine'> {
  readonly source: Repository
  readonly target: Repository
}

/**
 * `packs`: both repositories have the same keys, so packs go as they are, and nothing is decrypted · `parts`: every part is
 * opened, checked and sealed again.
 */
export type CopyMode = 'packs' | 'parts'

export interface CopyPlan {
  readonly from: string
  readonly to: string
  readonly mode: CopyMode
  /** Ids, oldest first. */
  readonly backups: readonly string[]
  /** They are in the target. */
  readonly there: readonly string[]
  /** They were in the target, and somebody forgot them there. */
  readonly forgotten: readonly string[]
  /** Packs that will be read, and their bytes; of `parts` at most. */
  readonly packs: number
  readonly bytes: number
}

export interface CopyResult {
  readonly copied: readonly string[]
  /** Bytes that the target grew by. */
  readonly stored: number
}

export interface PreparedCopy {
  readonly plan: CopyPlan
  run(): Promise<CopyResult>
}

/**
 * Plan to have backups in another repository as well, under the same ids. Each is committed there by the handshake when all
 * of it is there, and kept in the source by a pin meanwhile; killed anywhere, the next run goes on.
 *
 * @throws CONFLICT when both are one repository, DAMAGED when one does not read
 */
export async function prepareCopy(ctx: CopyContext, ids: readonly string[]): Promise<PreparedCopy> {
  const { source, target, emit } = ctx
  if (source.format.id === target.format.id)
    throw new PermafrostError('CONFLICT', `${target.storage.location} is the repository itself`, {
      hint: 'name another one with --to, or make it:  permafrost repo init --repo <url>',
    })
  emit({ type: 'phase', phase: 'plan', message: `looking for what ${target.storage.location} lacks` })
  const [there, forgotten] = [new Set(await backupIds(target)), new Set(await backupIds(target, 'forgotten'))]
  const backups = ids.filter((id) => !there.has(id) && !forgotten.has(id)).toSorted()
  const mode: CopyMode = sharesKeys(source.keys, target.keys) ? 'packs' : 'parts'
  const plan: CopyPlan = {
    from: source.storage.location,
    to: target.storage.location,
    mode,
    backups,
    there: ids.filter((id) => there.has(id)),
    forgotten: ids.filter((id) => forgotten.has(id)),
    ...(await toRead(ctx, { backups, mode })),
  }
  return { plan, run: () => copyAll(ctx, plan) }
}

async function toRead(
  { source, target }: CopyContext,
  { backups, mode }: Pick<CopyPlan, 'backups' | 'mode'>,
): Promise<Pick<CopyPlan, 'packs' | 'bytes'>> {
  if (backups.length === 0) return { packs: 0, bytes: 0 }
  const reaches = await Promise.all(backups.map((id) => readReach(source, id)))
  const reached = await reachable(source).from(reaches.flatMap((found) => found?.blocks ?? []))
  const have = mode === 'packs' ? await listPacks(target) : new Map<string, never>()
  const sizes = await listPacks(source)
  const keys = [...reached.keys()].filter((key) => mode === 'packs' || key.startsWith(layout.packs.prefix))
  const missing = keys.filter((key) => !have.has(key))
  return { packs: missing.length, bytes: missing.reduce((sum, key) => sum + (sizes.get(key)?.size ?? 0), 0) }
}

async function copyAll(ctx: CopyContext, { backups, mode }: CopyPlan): Promise<CopyResult> {
  const { source, target, emit, signal } = ctx
  const copyOne = mode === 'packs' ? copyPacks : copyParts
  let stored = 0
  for (const [index, backup] of backups.entries()) {
    signal.throwIfAborted()
    emit({
      type: 'phase',
      phase: 'store',
      message: `copying backup ${backup} to ${target.storage.location}, ${index + 1} of ${plural(backups.length, 'backup')}`,
    })
    stored += await withPin({ ...ctx, repository: source }, { backup, reason: 'copy' }, () => copyOne(ctx, backup))
  }
  return { copied: backups, stored }
}
