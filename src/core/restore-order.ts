import { PermafrostError } from './errors.ts'
import { needs, nameKey } from './restore-names.ts'
import type { TableName } from './sql.ts'

/** Something that is made in a restore. */
export interface OrderedNode {
  readonly target: TableName
  /** What must be there before it; names that are not made here are there already. */
  readonly needs: readonly TableName[]
  /** Where it comes among those that could be made next: data before dictionaries before views before queues. */
  readonly phase: number
}

/**
 * Put things into an order in which each finds what it needs. Among those that can come next, the lowest phase does.
 *
 * @throws CONFLICT when some need one another in a circle
 */
export function orderRestore<T extends OrderedNode>(nodes: readonly T[]): readonly T[] {
  const left = new Set(nodes.toSorted((a, b) => a.phase - b.phase))
  const waiting = new Set(nodes.map(({ target }) => nameKey(target)))
  const blockers = (node: T) =>
    node.needs.filter((name) => waiting.has(nameKey(name)) && nameKey(name) !== nameKey(node.target))
  const ordered: T[] = []
  while (left.size > 0) {
    const next = [...left].find((node) => blockers(node).length === 0)
    if (!next) throw circle([...left], (node) => blockers(node))
    left.delete(next)
    waiting.delete(nameKey(next.target))
    ordered.push(next)
  }
  return ordered
}

/** Every node that is left is blocked by another, so a walk from any of them comes back to where it was. */
function circle<T extends OrderedNode>(
  left: readonly T[],
  blockers: (node: T) => readonly TableName[],
): PermafrostError {
  const path: T[] = []
  let node = left[0]
  while (node && !path.includes(node)) {
    path.push(node)
    const [blocker] = blockers(node)
    node = left.find(({ target }) => blocker && nameKey(target) === nameKey(blocker))
  }
  const round = node ? path.slice(path.indexOf(node)) : path
  const links = round.map((one, index) => needs(one.target, (round[(index + 1) % round.length] ?? one).target))
  return new PermafrostError('CONFLICT', `these need one another in a circle: ${links.join(', ')}`, {
    hint: 'leave one of them out with -t, and make it by hand',
  })
}
