import type { PendingMutation } from '../core/definitions.ts'
import { keyOf } from '../engine/catalog.ts'
import { hasMade, readMutations, waitingParts } from '../engine/mutations.ts'
import type { Context } from './context.ts'
import type { FrozenTable } from './frozen-tables.ts'

/**
 * The mutations that frozen parts still wait for: those that were there before the freeze, and those that came meanwhile and have made a
 * frozen part already. A part carries the number of its last mutation in its name, so a restore applies each once.
 */
export async function pendingMutations(
  before: readonly PendingMutation[],
  frozen: readonly FrozenTable[],
  { engine, disk }: Pick<Context, 'engine' | 'disk'>,
): Promise<readonly PendingMutation[]> {
  const info = await engine.describe()
  return frozen.flatMap(({ table, parts }) => {
    const names = parts.map(({ name }) => name)
    const known = new Set(before.filter((one) => keyOf(one) === keyOf(table)).map(({ version }) => version))
    const all = [
      ...before.filter((one) => keyOf(one) === keyOf(table)),
      ...readMutations(table, info, disk).filter((one) => !known.has(one.version) && hasMade(one, names)),
    ]
    return all.filter((mutation) => waitingParts(mutation, names).length > 0)
  })
}
