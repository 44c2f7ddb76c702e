import { useSignal } from '@preact/signals'
import { plural } from '../../src/core/units.ts'
import { post } from '../api.ts'
import { formatTime } from '../format.ts'
import { href } from '../route.ts'
import type { Plan } from '../types.ts'
import { Act } from './act.tsx'
import { start } from '../start.ts'
import { Ask } from './ask.tsx'
import { LongTable } from './long-table.tsx'
import { Mark } from './mark.tsx'

type Forget = Plan<'forget'>

/** What the policy keeps and forgets, each with its reasons; forgetting is a step of its own. */
export function RetentionPreview() {
  const plan = useSignal<Forget | undefined>(undefined)
  return (
    <>
      <div class="actions">
        <Act scope="operate" act={async () => void (plan.value = (await post('/plans', { kind: 'forget' })) as Forget)}>
          Look ahead
        </Act>
        {plan.value && plan.value.plan.forget.length > 0 && <ForgetThem plan={plan.value} />}
      </div>
      {plan.value && <Decisions plan={plan.value} />}
    </>
  )
}

function ForgetThem({ plan: { plan, confirm } }: { readonly plan: Forget }) {
  return (
    <Ask
      verb={`Forget ${plural(plan.forget.length, 'backup')}`}
      title={`Forget ${plural(plan.forget.length, 'backup')}?`}
      scope="admin"
      confirm={confirm}
      act={() => start(confirm === undefined ? { kind: 'forget' } : { kind: 'forget', confirm })}
    >
      <p>They can be taken back until {formatTime(plan.until)}, and after that until the next prune.</p>
    </Ask>
  )
}

function Decisions({ plan: { plan } }: { readonly plan: Forget }) {
  const dropFirst = plan.decisions.toSorted((a, b) => Number(a.keep) - Number(b.keep))
  return (
    <LongTable
      label="Retention"
      rows={dropFirst}
      keyOf={({ id }) => id}
      columns={[
        { title: 'Backup', cell: ({ id }) => <a href={href('backups', id)}>{id}</a> },
        {
          title: 'Decision',
          cell: ({ keep }) => (keep ? <Mark tone="good">keep</Mark> : <Mark tone="warn">forget</Mark>),
        },
        { title: 'Why', cell: ({ reasons }) => reasons.join(', ') },
      ]}
    />
  )
}
