import { useSignal } from '@preact/signals'
import { displayName } from '../../src/core/sql.ts'
import { get, post, problemOf } from '../api.ts'
import type { ShownProblem } from '../api.ts'
import { Act } from '../parts/act.tsx'
import { start } from '../start.ts'
import { CommandLine } from '../parts/command-line.tsx'
import { Typed } from '../parts/typed.tsx'
import { Loaded } from '../parts/loaded.tsx'
import { ProblemNote } from '../parts/problem-note.tsx'
import { Page } from '../parts/page.tsx'
import { Section } from '../parts/section.tsx'
import { RestoreChoice } from '../parts/restore-choice.tsx'
import { RestorePlanTable } from '../parts/restore-plan-table.tsx'
import { RestoreTarget } from '../parts/restore-target.tsx'
import { useResource } from '../resource.ts'
import { href, route } from '../route.ts'
import { EVERYTHING, requestOf, restoreWords } from '../restore-request.ts'
import type { RestoreForm } from '../restore-request.ts'
import type { Plan, Table } from '../types.ts'

/** Choose, say where to, look at the plan, confirm. Nothing is changed before the last step. */
export function RestorePage({ id }: { readonly id: string }) {
  const backup = useResource(`backup ${id} partitions`, (signal) =>
    get('/backups/:backup', { params: { backup: id }, query: { detail: 'partitions' }, signal }),
  )
  return (
    <Page
      title={`Restore from ${id}`}
      about={
        <>
          What is there is never overwritten. <a href={href('backups', id)}>Back to the backup</a>
        </>
      }
    >
      <Loaded resource={backup}>{({ tables }) => <Steps id={id} tables={tables} />}</Loaded>
    </Page>
  )
}

function Steps({ id, tables }: { readonly id: string; readonly tables: readonly Table[] }) {
  const asked = route.value.query.get('table')
  const form = useSignal<RestoreForm>({
    ...EVERYTHING,
    backup: id,
    tables: asked === null ? tables.map(displayName) : [asked],
  })
  const plan = useSignal<Plan<'restore'> | undefined>(undefined)
  const problem = useSignal<ShownProblem | undefined>(undefined)
  const typed = useSignal('')
  const change = (changes: Partial<RestoreForm>): void => {
    form.value = { ...form.value, ...changes }
    plan.value = undefined
    problem.value = undefined
    typed.value = ''
  }
  const request = requestOf(form.value, tables)
  const makePlan = async (): Promise<void> => {
    plan.value = undefined
    problem.value = undefined
    try {
      plan.value = (await post('/plans', request)) as Plan<'restore'>
    } catch (error) {
      problem.value = problemOf(error)
    }
  }
  const confirm = plan.value?.confirm
  const nothing = form.value.tables.length === 0 && form.value.partitions.length === 0
  return (
    <>
      <Section title="1 What">
        <RestoreChoice tables={tables} form={form.value} onChange={change} />
      </Section>
      <Section title="2 Where to">
        <RestoreTarget form={form.value} onChange={change} />
      </Section>
      <Section title="3 Plan" about="What exists, and what will be done. The plan changes nothing.">
        <div class="actions">
          <Act scope="operate" act={makePlan} disabled={nothing}>
            Make the plan
          </Act>
        </div>
        {problem.value && <ProblemNote problem={problem.value} />}
        {plan.value && <RestorePlanTable plan={plan.value.plan} />}
      </Section>
      {plan.value && (
        <Section title="4 Confirm">
          {confirm !== undefined && (
            <Typed expected={confirm} value={typed.value} onType={(text) => (typed.value = text)} />
          )}
          <div class="actions">
            <Act
              primary
              scope={form.value.mode === 'replace' ? 'admin' : 'operate'}
              disabled={confirm !== undefined && typed.value !== confirm}
              act={() => start(confirm === undefined ? request : { ...request, confirm })}
            >
              Restore
            </Act>
          </div>
        </Section>
      )}
      <CommandLine words={restoreWords(request)} />
    </>
  )
}
