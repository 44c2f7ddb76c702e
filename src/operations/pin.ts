import { hasCode, PermafrostError } from '../core/errors.ts'
import { layout } from '../core/layout.ts'
import { PIN_TTL } from '../core/safety.ts'
import { readReach } from '../repository/backups.ts'
import { readForgotten } from '../repository/forgotten.ts'
import { handshake } from '../repository/handshake.ts'
import { putPin } from '../repository/marks.ts'
import type { Context } from './context.ts'

type PinContext = Pick<Context, 'repository' | 'clock' | 'random' | 'signal' | 'emit'>

export interface PinWish {
  readonly backup: string
  readonly reason: string
  readonly until: Date
}

/**
 * Keep a backup that is not forgotten, by the same handshake as a commit. While nothing is condemned, its record is all that
 * is looked for: it is live, so what it reaches is there, and a collector that begins now sees the announcement.
 *
 * @returns the pin's id
 * @throws NOT_FOUND when the backup is forgotten for good, or gone
 */
export async function pin(
  { repository, clock, random, signal }: Omit<PinContext, 'emit'>,
  { backup, reason, until }: PinWish,
): Promise<string> {
  const id = Buffer.from(random(16)).toString('hex')
  const found = await readReach(repository, backup)
  if (!found) throw gone(backup)
  const { blocks } = found
  const outcome = await handshake(
    repository,
    {
      prepare: async () => ({
        blocks,
        backup,
        reach: new Map(),
        isBackupThere: () => isLive(repository, backup, clock()),
      }),
      commit: async () => {
        const at = clock().toISOString()
        await putPin(repository, { id, backup, blocks, at, until: until.toISOString(), reason }, random)
      },
      withdraw: () => unpin(repository, id),
    },
    { session: id, tries: 1, random, clock, signal },
  )
  if (outcome !== 'committed') throw gone(backup)
  return id
}

async function isLive(repository: Context['repository'], backup: string, now: Date): Promise<boolean> {
  const marks = (await readForgotten(repository)).get(backup) ?? []
  if (marks.some(({ notBefore }) => Date.parse(notBefore) <= now.getTime())) return false
  return (await repository.storage.head(layout.backups.key(backup))) !== undefined
}

function unpin({ storage }: Context['repository'], id: string): Promise<void> {
  return storage.delete([layout.pins.key(id)])
}

/** Do some work, and keep a backup until it is done. */
export async function withPin<T>(
  ctx: PinContext,
  { backup, reason }: Pick<PinWish, 'backup' | 'reason'>,
  work: () => Promise<T>,
): Promise<T> {
  const until = new Date(ctx.clock().getTime() + PIN_TTL * 1000)
  // Whoever may only read, or whose disk is full, can restore all the same: nothing but a forget without grace and a prune in
  // the very same hours could be in the way.
  const tolerate = (error: unknown): undefined => {
    if (!hasCode(error, 'UNAUTHORIZED') && !hasCode(error, 'STORAGE_UNAVAILABLE')) throw error
    ctx.emit({ type: 'debug', message: `the backup is not pinned: ${error.message}` })
  }
  const id = await pin(ctx, { backup, reason, until }).catch(tolerate)
  try {
    return await work()
  } finally {
    if (id !== undefined) await unpin(ctx.repository, id).catch(tolerate)
  }
}

function gone(backup: string): PermafrostError {
  return new PermafrostError('NOT_FOUND', `backup ${backup} is forgotten for good, or gone`, {
    hint: 'permafrost list',
  })
}
