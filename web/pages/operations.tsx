import { useSignal } from '@preact/signals'
import { get, post } from '../api.ts'
import { formatBetween, formatUntil } from '../format.ts'
import { operationTitle } from '../operation-title.ts'
import { Act } from '../parts/act.tsx'
import { CommandLine } from '../parts/command-line.tsx'
import { Loaded } from '../parts/loaded.tsx'
import { LongTable } from '../parts/long-table.tsx'
import type { LongColumn } from '../parts/long-table.tsx'
import { Mark } from '../parts/mark.tsx'
import { StateMark } from '../parts/state-mark.tsx'
import { Age } from '../parts/age.tsx'
import { Moment } from '../parts/moment.tsx'
import { now } from '../now.ts'
import { Note } from '../parts/note.tsx'
import { Page } from '../parts/page.tsx'
import { Section } from '../parts/section.tsx'
import { useResource } from '../resource.ts'
import { href } from '../route.ts'
import { may } from '../session.ts'
import type { Operation, Schedule } from '../types.ts'

/** What comes next, and what was. */
export function OperationsPage() {
  const schedule = useResource('schedule', (signal) => get('/schedule', { signal }))
  const operations = useResource('operations', (signal) => get('/operations', { signal, query: { limit: '500' } }))
  return (
    <Page title="Operations">
      <Section title="What comes next">
        <Loaded resource={schedule}>{(value) => <Next schedule={value} onChange={schedule.reload} />}</Loaded>
      </Section>
      <Section title="History">
        <Loaded resource={operations}>{(value) => <History operations={value.operations} />}</Loaded>
      </Section>
      {may('admin') && <Audit />}
      <CommandLine words={['operations']} />
    </Page>
  )
}

function Next({ schedule, onChange }: { readonly schedule: Schedule; readonly onChange: () => void }) {
  const { entries, paused, timezone } = schedule
  if (entries.length === 0)
    return <p class="dim">Nothing is scheduled: set schedule.backup, .verify, .drill or .prune in the configuration.</p>
  const turn = async (): Promise<void> => {
    await (paused ? post('/schedule/resume', {}) : post('/schedule/pause', {}))
    onChange()
  }
  return (
    <>
      {paused && <Note tone="warn" title="The schedule is paused: nothing starts by itself." />}
      <div class="table-frame">
        <table aria-label="Schedule">
          <thead>
            <tr>
              <th scope="col">Operation</th>
              <th scope="col">Next</th>
              <th scope="col">Last</th>
              <th scope="col">State</th>
              <th scope="col">Expression ({timezone})</th>
            </tr>
          </thead>
          <tbody>
            {entries.map(({ kind, cron, next, last, lastState, overdue }) => (
              <tr key={kind} class={overdue ? 'overdue' : undefined}>
                <th scope="row">{kind}</th>
                <td>
                  {next && !paused ? (
                    <time dateTime={next} title={next}>
                      {formatUntil(next, now.value)}
                    </time>
                  ) : (
                    '–'
                  )}
                </td>
                <td>
                  {last ? <Age at={last} /> : 'never'} {lastState && <StateMark state={lastState} />}
                </td>
                <td>{overdue ? <Mark tone="bad">overdue</Mark> : <Mark tone="good">on time</Mark>}</td>
                <td>
                  <code>{cron}</code>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <div class="actions">
        <Act scope="operate" act={turn}>
          {paused ? 'Resume the schedule' : 'Pause the schedule'}
        </Act>
      </div>
    </>
  )
}

const COLUMNS: readonly LongColumn<Operation>[] = [
  {
    title: 'Operation',
    cell: (operation) => <a href={href('operations', operation.id)}>{operationTitle(operation)}</a>,
  },
  { title: 'State', cell: ({ state }) => <StateMark state={state} /> },
  { title: 'Asked for', cell: ({ queued }) => <Moment at={queued} /> },
  { title: 'By', cell: ({ by }) => by },
  {
    title: 'Took',
    number: true,
    cell: ({ started, finished }) => (started && finished ? formatBetween(started, finished) : '–'),
  },
  { title: 'Findings', number: true, cell: ({ findings }) => findings },
  { title: 'What went wrong', cell: ({ error }) => error?.detail },
]

function History({ operations }: { readonly operations: readonly Operation[] }) {
  const filter = useSignal('')
  const kinds = [...new Set(operations.map(({ kind }) => kind))].toSorted()
  const shown = operations.filter(({ kind }) => filter.value === '' || kind === filter.value)
  if (operations.length === 0) return <p class="dim">Nothing was done yet.</p>
  return (
    <>
      <div class="tools">
        <label class="field">
          <span>Show</span>
          <select value={filter.value} onChange={(event) => (filter.value = event.currentTarget.value)}>
            <option value="">all operations</option>
            {kinds.map((kind) => (
              <option key={kind} value={kind}>
                {kind}
              </option>
            ))}
          </select>
        </label>
      </div>
      <LongTable label="Operations" columns={COLUMNS} rows={shown} keyOf={({ id }) => id} />
    </>
  )
}

/** Who changed what: for those who may know. */
function Audit() {
  const open = useSignal(false)
  return (
    <details onToggle={(event) => (open.value = event.currentTarget.open)}>
      <summary>Audit: every change that was asked for, and by whom</summary>
      {open.value && <Entries />}
    </details>
  )
}

function Entries() {
  const audit = useResource('audit', (signal) => get('/audit', { signal, query: { limit: '200' } }))
  return (
    <Loaded resource={audit}>
      {({ entries }) => (
        <div class="table-frame">
          <table aria-label="Audit">
            <thead>
              <tr>
                <th scope="col">When</th>
                <th scope="col">Who</th>
                <th scope="col">From</th>
                <th scope="col">What</th>
                <th scope="col">Answer</th>
              </tr>
            </thead>
            <tbody>
              {entries.map(({ at, by, address, action, outcome }, index) => (
                <tr key={index}>
                  <td>
                    <Moment at={at} />
                  </td>
                  <td>{by}</td>
                  <td>{address}</td>
                  <td>
                    <code>{action}</code>
                  </td>
                  <td>
                    {outcome < 400 ? <Mark tone="good">{`${outcome}`}</Mark> : <Mark tone="bad">{`${outcome}`}</Mark>}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </Loaded>
  )
}
