import { useSignal } from '@preact/signals'
import { formatBytes, plural } from '../../src/core/units.ts'
import { post } from '../api.ts'
import { formatShare } from '../format.ts'
import type { Plan } from '../types.ts'
import { Act } from './act.tsx'
import { start } from '../start.ts'
import { Ask } from './ask.tsx'

type Prune = Plan<'prune'>

/** What no backup reaches any more, and the way to delete it. */
export function PrunePreview() {
  const plan = useSignal<Prune | undefined>(undefined)
  const found = plan.value?.plan
  return (
    <>
      <div class="actions">
        <Act scope="operate" act={async () => void (plan.value = (await post('/plans', { kind: 'prune' })) as Prune)}>
          Preview a prune
        </Act>
        {found && found.dead.length > 0 && (
          <Ask
            verb={`Delete ${formatBytes(found.deadBytes)}`}
            title={`Delete ${formatBytes(found.deadBytes)} for good?`}
            scope="admin"
            act={() => start({ kind: 'prune' })}
          >
            <p>No backup that is kept reaches it. This cannot be undone.</p>
          </Ask>
        )}
      </div>
      {found && (
        <p role="status">
          {found.dead.length === 0
            ? `Nothing to delete: every one of ${plural(found.packs, 'pack')} is needed, or too young.`
            : `${plural(found.dead.length, 'object')}, ${formatBytes(found.deadBytes)} of ${formatBytes(found.totalBytes)} (${formatShare(found.deadBytes, found.totalBytes)})` +
              (found.backups.length > 0
                ? `, and the records of ${plural(found.backups.length, 'forgotten backup')}`
                : '')}
        </p>
      )}
    </>
  )
}
