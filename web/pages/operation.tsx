import { post } from '../api.ts'
import { formatBetween, formatClock } from '../format.ts'
import { isOver } from '../live.ts'
import { operationTitle } from '../operation-title.ts'
import { ratesOf } from '../operation-view.ts'
import { Ask } from '../parts/ask.tsx'
import { Facts } from '../parts/facts.tsx'
import { Findings } from '../parts/findings.tsx'
import { Mark } from '../parts/mark.tsx'
import { StateMark } from '../parts/state-mark.tsx'
import { Moment } from '../parts/moment.tsx'
import { Note } from '../parts/note.tsx'
import { ProblemNote } from '../parts/problem-note.tsx'
import { Outcome } from '../parts/outcome.tsx'
import { Page } from '../parts/page.tsx'
import { Section } from '../parts/section.tsx'
import { ProgressBar } from '../parts/progress-bar.tsx'
import { RateCurve } from '../parts/rate-curve.tsx'
import type { Operation, OperationState } from '../types.ts'
import { useOperation } from '../use-operation.ts'
import type { FollowedOperation } from '../use-operation.ts'

/** One operation: how far it is, what it said, and how it ended. */
export function OperationPage({ id }: { readonly id: string }) {
  const view = useOperation(id)
  const { operation, problem } = view
  if (!operation) return <Page title="Operation">{problem ? <ProblemNote problem={problem} /> : <p>Loading …</p>}</Page>
  const over = isOver(operation.state)
  return (
    <Page
      title={operationTitle(operation)}
      about={<code>{id}</code>}
      actions={
        !over && (
          <Ask
            verb="Cancel"
            title={`Cancel this ${operation.kind}?`}
            scope="operate"
            act={() => post('/operations/:operation/cancel', {}, { params: { operation: id } }).then(() => undefined)}
          >
            <p>It stops cleanly: what was frozen is let go, and what was stored is found again by the next run.</p>
          </Ask>
        )
      }
    >
      {problem && <ProblemNote problem={problem} />}
      <div aria-live="polite" class="state-line">
        <StateMark state={operation.state} /> <span>{meaningOf(operation)}</span>
      </div>
      {!over && <AtWork view={view} operation={operation} />}
      <Facts small facts={factsOf(operation)} />
      {operation.error && <ProblemNote problem={operation.error} />}
      {over && <Outcome operation={operation} />}
      <Told view={view} />
    </Page>
  )
}

const MEANS: Readonly<Record<OperationState, string>> = {
  queued: 'It waits for its turn: one operation after the other.',
  running: 'You may close this page: the agent goes on.',
  ok: 'It did all that it was asked to do.',
  incomplete: 'It ended, and something is missing: see the findings.',
  damaged: 'It ended, and found damage: see the findings.',
  failed: 'It did not do it.',
  cancelled: 'It was stopped on request, and cleaned up.',
  interrupted:
    'The agent ended before it did. Nothing is half done: start it again, and it goes on with what is stored.',
}

function meaningOf({ state, error }: Operation): string {
  return error?.code === 'DRILL_FAILED' ? 'It was done, and the backup did not pass.' : MEANS[state]
}

function AtWork({ view, operation }: { readonly view: FollowedOperation; readonly operation: Operation }) {
  return (
    <div class="at-work">
      <ProgressBar view={view} label={`Progress of the ${operation.kind}`} />
      <RateCurve rates={ratesOf(view)} />
    </div>
  )
}

function factsOf({ by, host, queued, started, finished }: Operation) {
  return [
    { name: 'Asked for', value: <Moment at={queued} />, note: `by ${by}` },
    { name: 'Started', value: started ? <Moment at={started} /> : '–', note: `on ${host}` },
    { name: 'Took', value: started && finished ? formatBetween(started, finished) : '–' },
  ]
}

/** Phases and findings, in order. */
function Told({ view }: { readonly view: FollowedOperation }) {
  const findings = view.said.filter((entry) => entry.type === 'finding')
  const phases = view.said.filter((entry) => entry.type === 'phase')
  const now = view.operation && !isOver(view.operation.state)
  return (
    <>
      {findings.length > 0 && (
        <Section title="Findings">
          <Findings findings={findings} />
        </Section>
      )}
      <Section title="Log">
        {phases.length === 0 && <p class="dim">{now ? 'Nothing was said yet.' : 'Nothing was said.'}</p>}
        <ol class="log">
          {phases.map(({ seq, at, phase, message }, index) => (
            <li key={seq}>
              <time dateTime={at}>{formatClock(at)}</time>
              {now && index === phases.length - 1 ? <Mark tone="busy">{phase}</Mark> : <Mark tone="good">{phase}</Mark>}
              <span>{message}</span>
            </li>
          ))}
        </ol>
      </Section>
      {view.operation?.state === 'interrupted' && (
        <Note tone="warn" title="What was frozen is let go by the next run, or now: permafrost doctor" />
      )}
    </>
  )
}
