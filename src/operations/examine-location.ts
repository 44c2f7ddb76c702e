import type { Check } from '../core/check.ts'
import { hasCode } from '../core/errors.ts'
import { layout } from '../core/layout.ts'
import { writeLearned } from '../repository/learned.ts'
import type { Repository } from '../repository/repository.ts'
import { examineStorage } from '../storage/examine.ts'
import type { Learned } from '../storage/examine.ts'
import type { Storage } from '../storage/storage.ts'
import type { Context } from './context.ts'

export interface LocationContext extends Pick<Context, 'clock' | 'random' | 'signal' | 'emit'> {
  /** A new connection. */
  readonly connect: () => Promise<Storage>
  readonly openRepository: () => Promise<Repository>
}

/** Try on a location what backups rely on, and let the repository there, if there is one, know what came of it. */
export async function examineLocation(ctx: LocationContext): Promise<readonly Check[]> {
  const [first, second] = [await ctx.connect(), await ctx.connect()]
  ctx.emit({ type: 'phase', phase: 'check', message: `trying ${first.location}` })
  const scratch = layout.scratch.of(Buffer.from(ctx.random(8)).toString('hex'))
  const { checks, learned } = await examineStorage({ ...ctx, first, second, scratch })
  if (checks.some(({ status }) => status === 'failed')) return checks
  return [...checks, await tell(ctx, learned)]
}

async function tell({ openRepository, clock, random }: LocationContext, learned: Learned): Promise<Check> {
  const name = 'repository'
  try {
    const repository = await openRepository()
    await writeLearned(repository, { ...learned, at: clock().toISOString() }, random)
    return { name, status: 'ok', message: `repository ${repository.format.id} knows this of its store now` }
  } catch (error) {
    if (hasCode(error, 'REPOSITORY_MISSING'))
      return { name, status: 'ok', message: 'there is none here yet', hint: ['permafrost repo init'] }
    const unopened = (['KEY_WRONG', 'CONFIG_INVALID', 'UNAUTHORIZED'] as const).some((code) => hasCode(error, code))
    if (!unopened || !(error instanceof Error)) throw error
    return { name, status: 'warning', message: `does not know of this: ${error.message}` }
  }
}
