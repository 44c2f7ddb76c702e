import { displayName } from '../../src/core/sql.ts'
import { formatBytes, plural } from '../../src/core/units.ts'
import { formatCount } from '../format.ts'
import type { Plan } from '../types.ts'

type RestorePlan = Plan<'restore'>['plan']

const DOES: Readonly<Record<RestorePlan['steps'][number]['action'], string>> = {
  create: 'make a new table',
  'create-empty': 'make it, empty',
  swap: 'fill a new table, swap it with the live one',
  'swap-partitions': 'fill a new table, swap these partitions',
  attach: 'attach to the live table',
  detach: 'put into detached/',
  define: 'make the definition',
  'define-detached': 'make the queue, detached: it consumes nothing yet',
  keep: 'is there already, and the same',
}

/** What a restore will do: the value that it carries out. */
export function RestorePlanTable({ plan: { databases, steps } }: { readonly plan: RestorePlan }) {
  const total = steps.reduce((sum, { bytes }) => sum + bytes, 0)
  return (
    <>
      <p role="status">
        {plural(steps.length, 'table')}, {formatBytes(total)}
        {databases.length > 0 &&
          `; makes the ${databases.length === 1 ? 'database' : 'databases'} ${databases.join(', ')}`}
      </p>
      <div class="table-frame">
        <table aria-label="Plan">
          <thead>
            <tr>
              <th scope="col">From the backup</th>
              <th scope="col">To</th>
              <th scope="col">How</th>
              <th scope="col" class="number">
                Parts
              </th>
              <th scope="col" class="number">
                Rows
              </th>
              <th scope="col" class="number">
                Bytes
              </th>
            </tr>
          </thead>
          <tbody>
            {steps.map(({ source, target, action, parts, rows, bytes }) => (
              <tr key={displayName(target)}>
                <td>{displayName(source)}</td>
                <th scope="row">{displayName(target)}</th>
                <td>{DOES[action]}</td>
                <td class="number">{formatCount(parts)}</td>
                <td class="number">{formatCount(rows)}</td>
                <td class="number">{formatBytes(bytes)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </>
  )
}
