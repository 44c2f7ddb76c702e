import { readCreate } from './create-statement.ts'
import type { ObjectEntry } from './definitions.ts'
import { PermafrostError } from './errors.ts'
import { innerName, nameKey, targetOf } from './restore-names.ts'
import type { RestorePlanInput } from './restore-plan.ts'
import { displayName } from './sql.ts'
import type { TableName } from './sql.ts'

/**
 * The new name of everything that is restored, by {@link nameKey} of the old. The table in which a materialized view keeps its rows
 * is named after the view.
 *
 * @throws USAGE when two would get one name
 */
export function restoreTargets(
  input: Pick<RestorePlanInput, 'wanted' | 'objects' | 'wish' | 'hasUuids' | 'uuidFor'>,
): ReadonlyMap<string, TableName> {
  const { wanted, objects, wish, hasUuids, uuidFor } = input
  const entries = wanted.map(({ entry }) => entry)
  const inner = new Map<string, ObjectEntry>(
    objects.filter(keepsRows).map((view) => [nameKey(innerName(view, view.uuid)), view]),
  )
  const named = [...entries, ...objects].filter((entry) => !inner.has(nameKey(entry)))
  if (wish.as?.name !== undefined && named.length !== 1) {
    const as = displayName({ database: wish.as.database, name: wish.as.name })
    throw new PermafrostError('USAGE', `--as ${as} needs exactly one table, and ${named.length} are selected`, {
      hint: `give a database only: --as ${wish.as.database}`,
    })
  }
  const targets = new Map(named.map((entry) => [nameKey(entry), targetOf(entry, wish)]))
  for (const entry of entries) {
    const view = inner.get(nameKey(entry))
    if (!view) continue
    const to = targets.get(nameKey(view)) ?? view
    targets.set(nameKey(entry), innerName(to, hasUuids(to.database) ? uuidFor(to) : undefined))
  }
  refuseTwice(targets)
  return targets
}

function keepsRows({ create }: ObjectEntry): boolean {
  const { kind, target, engine } = readCreate(create)
  return kind === 'MATERIALIZED VIEW' && target === undefined && engine !== undefined
}

function refuseTwice(targets: ReadonlyMap<string, TableName>): void {
  const seen = new Set<string>()
  for (const to of targets.values()) {
    if (seen.has(nameKey(to))) {
      throw new PermafrostError('USAGE', `two tables would be restored as ${displayName(to)}`, {
        hint: 'give each a name of its own: --as db.table=db.other',
      })
    }
    seen.add(nameKey(to))
  }
}
