import { useSignal } from '@preact/signals'
import { formatBytes, plural } from '../../src/core/units.ts'
import { post } from '../api.ts'
import { start } from '../start.ts'
import type { Plan } from '../types.ts'
import { Act } from './act.tsx'
import { Mark } from './mark.tsx'

const REQUEST = { kind: 'copy', all: true } as const

/** What the second repositories lack, and the way to give it to them. */
export function Copies() {
  const plan = useSignal<Plan<'copy'>['plan'] | undefined>(undefined)
  const lacks = plan.value?.some(({ backups }) => backups.length > 0)
  return (
    <>
      <div class="actions">
        <Act
          scope="operate"
          act={async () => void (plan.value = ((await post('/plans', REQUEST)) as Plan<'copy'>).plan)}
        >
          See what copies lack
        </Act>
        {lacks && (
          <Act scope="operate" primary act={() => start(REQUEST)}>
            Copy it
          </Act>
        )}
      </div>
      {plan.value && (
        <div class="table-frame">
          <table aria-label="Copies">
            <thead>
              <tr>
                <th scope="col">To</th>
                <th scope="col">State</th>
                <th scope="col" class="number">
                  There
                </th>
                <th scope="col" class="number">
                  Missing
                </th>
                <th scope="col" class="number">
                  To copy
                </th>
              </tr>
            </thead>
            <tbody>
              {plan.value.map(({ to, backups, there, bytes, mode }) => (
                <tr key={to}>
                  <th scope="row">
                    <code>{to}</code>
                  </th>
                  <td>
                    {backups.length === 0 ? (
                      <Mark tone="good">has everything</Mark>
                    ) : (
                      <Mark tone="warn">lacks backups</Mark>
                    )}
                  </td>
                  <td class="number">{plural(there.length, 'backup')}</td>
                  <td class="number">{plural(backups.length, 'backup')}</td>
                  <td class="number">
                    {mode === 'parts' && bytes > 0 ? 'at most ' : ''}
                    {formatBytes(bytes)}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </>
  )
}
