import { FEW_UNEXPLAINED, MIN_AGE } from '../core/safety.ts'
import { plural } from '../core/units.ts'
import { collect } from '../repository/collector.ts'
import type { Collected } from '../repository/collector.ts'
import { planCollection } from '../repository/collection-plan.ts'
import type { CollectionPlan } from '../repository/collection-plan.ts'
import { extendLocks } from '../repository/extend-locks.ts'
import { removeUnfinished } from '../repository/unfinished.ts'
import type { Context } from './context.ts'

type PruneContext = Pick<Context, 'repository' | 'clock' | 'random' | 'signal' | 'emit'>

export interface PruneOptions {
  /** Seconds that a pack must be old; a day unless said. */
  readonly minAge?: number | undefined
  /** Somebody looked at what cannot be explained, and says that it may go. */
  readonly confirmed?: boolean
  /** Bytes that may die without an explanation; what a killed run may leave, unless said. */
  readonly few?: number | undefined
}

/** What a prune would do. */
export interface PreparedPrune {
  readonly plan: CollectionPlan
  run(): Promise<Collected>
}

/**
 * Find what no backup reaches any more, and delete it when `run` is called. Backups, restores and other prunes may run
 * meanwhile.
 *
 * @throws CONFLICT, DAMAGED: nothing is deleted while anything is unclear
 */
export async function preparePrune(ctx: PruneContext, options: PruneOptions = {}): Promise<PreparedPrune> {
  const { repository, clock, emit } = ctx
  emit({ type: 'phase', phase: 'plan', message: 'looking for what no backup reaches' })
  const plan = await planCollection(repository, {
    now: clock(),
    minAge: options.minAge ?? MIN_AGE,
    confirmed: options.confirmed ?? false,
    few: options.few ?? FEW_UNEXPLAINED,
  })
  return {
    plan,
    run: async () => {
      emit({ type: 'phase', phase: 'clean', message: `collecting ${plural(plan.dead.size, 'object')}` })
      const collected = await collect(repository, plan, ctx)
      const before = new Date(clock().getTime() - (options.minAge ?? MIN_AGE) * 1000)
      await extendLocks(repository.storage, ctx.signal)
      await removeUnfinished(repository.storage, { before, signal: ctx.signal })
      return collected
    },
  }
}
