import { hasCode, PermafrostError } from '../core/errors.ts'
import { plural } from '../core/units.ts'
import { freezerState } from '../engine/freezer.ts'
import { parseFreezeName } from '../engine/freeze-name.ts'
import type { Freezer } from '../engine/freeze-name.ts'
import { readJournals } from '../repository/journal.ts'
import type { Journals } from '../repository/journal.ts'
import type { Context } from './context.ts'

const NONE: Journals = { sessions: [], packs: new Set(), partsOf: async () => [] }

/**
 * What runs of this server stored and did not commit. Whether they still run does not matter: what they stored may be pointed
 * to by anyone who announces it.
 *
 * @throws NOT_FOUND when there is none, and one was demanded
 */
export async function findInterrupted(
  { repository, emit }: Pick<Context, 'repository' | 'emit'>,
  { server, demanded }: { readonly server: string; readonly demanded: boolean },
): Promise<Journals> {
  const journals = await readJournals(repository, server).catch((error: unknown) => {
    if (!hasCode(error, 'DAMAGED')) throw error
    emit({
      type: 'finding',
      severity: 'warning',
      object: 'journal',
      message: `does not read, so what it speaks of is stored again: ${error.message}`,
    })
    return NONE
  })
  const { size } = journals.packs
  if (size > 0)
    emit({ type: 'phase', phase: 'plan', message: `going on from ${plural(size, 'pack')} of a run that ended early` })
  else if (demanded)
    throw new PermafrostError('NOT_FOUND', 'no backup of this server ended early: there is nothing to resume', {
      hint: 'permafrost backup',
    })
  return journals
}

/** Journals of processes that do not run any more; of another machine's nobody here can know. */
export function goneKeys({ sessions }: Journals, self: Freezer): readonly string[] {
  return sessions.flatMap(({ maker, keys }) => {
    const freezer = parseFreezeName(maker)
    return freezer && freezerState(freezer, self) === 'gone' ? keys : []
  })
}

/** The backup stands: its journal is of no use any more. One that stays is cleared by a collector. */
export async function clearJournals(
  { repository, emit }: Pick<Context, 'repository' | 'emit'>,
  keys: readonly string[],
): Promise<void> {
  try {
    if (keys.length > 0) await repository.storage.delete(keys)
  } catch (error) {
    emit({ type: 'debug', message: `journals stay: ${String(error)}` })
  }
}
