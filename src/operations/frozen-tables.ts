import type { Emit } from '../core/events.ts'
import { isPatchPart } from '../core/part-name.ts'
import { displayName } from '../core/sql.ts'
import { keyOf } from '../engine/catalog.ts'
import type { Table } from '../engine/catalog.ts'
import type { Freeze } from '../engine/freeze.ts'
import type { ServerParts } from '../engine/parts.ts'
import type { FrozenPart } from '../engine/shadow.ts'

/** A frozen table on its way into the repository. */
export interface FrozenTable {
  readonly table: Table
  readonly parts: readonly FrozenPart[]
  /** When its FREEZE was started. */
  readonly at: Date
}

/**
 * The tables of a freeze that can be stored, with findings for the rest. A part that was active before the freeze and is
 * active after it was active all the time: when it is not in the shadow, the freeze is not what it says.
 */
export function frozenTables(
  freeze: Freeze,
  { before, after, emit }: { readonly before: ServerParts; readonly after: ServerParts; readonly emit: Emit },
): readonly FrozenTable[] {
  return freeze.tables.flatMap((outcome): readonly FrozenTable[] => {
    const { table } = outcome
    const object = displayName(table)
    switch (outcome.outcome) {
      case 'frozen': {
        const missing = missingParts(table, outcome.parts, { before, after })
        if (missing.length > 0) {
          const message = `${missing.length} of its parts are not in the freeze, among them ${missing[0]}`
          emit({ type: 'finding', severity: 'incomplete', object, message, hint: 'permafrost doctor' })
        }
        return [{ table, parts: outcome.parts, at: outcome.at }]
      }
      case 'dropped':
        emit({
          type: 'finding',
          severity: 'warning',
          object,
          message: 'was dropped before it was frozen, and is not in the backup',
        })
        return []
      case 'changing':
        emit({
          type: 'finding',
          severity: 'incomplete',
          object,
          message: 'its definition changed during every freeze',
          hint: 'run the backup again when no ALTER runs',
        })
        return []
      case 'refused':
        emit({
          type: 'finding',
          severity: 'incomplete',
          object,
          message: `could not be frozen: ${outcome.error.message}`,
          hint: outcome.error.hint[0] ?? 'permafrost doctor',
        })
        return []
    }
  })
}

function missingParts(
  table: Table,
  frozen: readonly FrozenPart[],
  { before, after }: { readonly before: ServerParts; readonly after: ServerParts },
): readonly string[] {
  const names = new Set(frozen.map((part) => part.name))
  const still = after.get(keyOf(table))
  return [...(before.get(keyOf(table))?.values() ?? [])]
    .filter((part) => part.active && still?.get(part.name)?.active && !names.has(part.name) && !isPatchPart(part.name))
    .map((part) => part.name)
}
