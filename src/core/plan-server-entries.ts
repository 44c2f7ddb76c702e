import { sameStatement } from './create-statement.ts'
import type { ServerEntry, ServerKind } from './definitions.ts'
import { PermafrostError } from './errors.ts'

/** What is made before databases and tables, in this order: queues read by named collections, workloads share resources. */
const KINDS: readonly ServerKind[] = ['named collection', 'resource', 'workload', 'function']

/**
 * What a restore makes of functions, named collections, resources and workloads: those that the server does not have. They belong to
 * no database, and are restored with everything only.
 *
 * @throws CONFLICT when the server has another one of the same name
 */
export function planServerEntries(
  entries: readonly ServerEntry[],
  there: readonly ServerEntry[],
): readonly ServerEntry[] {
  const ordered = KINDS.flatMap((kind) => entries.filter((entry) => entry.kind === kind))
  return ordered.filter((entry) => {
    const same = there.find(({ kind, name }) => kind === entry.kind && name === entry.name)
    if (!same) return true
    if (same.statements.every((statement, index) => sameStatement(statement, entry.statements[index] ?? '')))
      return false
    throw new PermafrostError('CONFLICT', `the server has another ${entry.kind} ${entry.name} than the backup`, {
      hint: `restore tables only: -t 'db.*', or drop the ${entry.kind} first`,
    })
  })
}
