import { sameStatement } from './create-statement.ts'
import type { ServerEntry } from './definitions.ts'
import { PermafrostError } from './errors.ts'

/**
 * The functions that a restore makes: those that the server does not have. Functions belong to no database, and are restored with
 * everything only.
 *
 * @throws CONFLICT when the server has another one of the same name
 */
export function planFunctions(entries: readonly ServerEntry[], there: readonly ServerEntry[]): readonly ServerEntry[] {
  return entries.filter((entry) => {
    if (entry.kind !== 'function') return false
    const same = there.find(({ kind, name }) => kind === entry.kind && name === entry.name)
    if (!same) return true
    if (same.statements.every((statement, index) => sameStatement(statement, entry.statements[index] ?? '')))
      return false
    throw new PermafrostError('CONFLICT', `the server has another function ${entry.name} than the backup`, {
      hint: `restore tables only: -t 'db.*', or drop the function first`,
    })
  })
}
