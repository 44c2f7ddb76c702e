import { signal } from '@preact/signals'
import { displayName } from '../../src/core/sql.ts'
import { formatBytes, formatSeconds, plural } from '../../src/core/units.ts'
import { get } from '../api.ts'
import { CommandLine } from '../parts/command-line.tsx'
import { Loaded } from '../parts/loaded.tsx'
import { LongTable } from '../parts/long-table.tsx'
import { Mark } from '../parts/mark.tsx'
import { ProblemNote } from '../parts/problem-note.tsx'
import { Page } from '../parts/page.tsx'
import { useResource } from '../resource.ts'
import { href, route } from '../route.ts'
import { may } from '../session.ts'
import type { Table } from '../types.ts'
import { useQuery } from '../use-query.ts'
import type { QueryAnswer } from '../use-query.ts'

/** What was typed, by backup: to look at another page costs no query. */
const typed = signal<Readonly<Record<string, string>>>({})

/** Ask a backup, in place. */
export function QueryPage({ id }: { readonly id: string }) {
  const backup = useResource(`backup ${id}`, (aborted) =>
    get('/backups/:backup', { params: { backup: id }, signal: aborted }),
  )
  const { answer, run, cancel } = useQuery(id)
  const asked = route.value.query.get('table')
  const sql = typed.value[id] ?? (asked === null ? '' : selectFrom(asked))
  const type = (text: string): void => void (typed.value = { ...typed.value, [id]: text })
  const running = answer.state === 'running'
  const submit = (): void => void (sql.trim() !== '' && may('operate') && run(sql))
  return (
    <Page
      title={`Query ${id}`}
      about={
        <>
          Nothing is restored: a disposable ClickHouse reads the parts where they lie, and can change nothing.{' '}
          <a href={href('backups', id)}>Back to the backup</a>
        </>
      }
    >
      <div class="query">
        <form
          onSubmit={(event) => {
            event.preventDefault()
            submit()
          }}
        >
          <label class="field">
            <span>SQL</span>
            <textarea
              rows={6}
              spellcheck={false}
              autocapitalize="off"
              value={sql}
              onInput={(event) => type(event.currentTarget.value)}
              onKeyDown={(event) => {
                if (event.key !== 'Enter' || !(event.ctrlKey || event.metaKey)) return
                event.preventDefault()
                submit()
              }}
            />
          </label>
          <div class="actions">
            <button type="submit" class="primary" disabled={running || sql.trim() === '' || !may('operate')}>
              Run
            </button>
            <button type="button" disabled={!running} onClick={cancel}>
              Cancel
            </button>
            <span class="dim">Ctrl-Enter runs it</span>
            {answer.rows.length > 0 && <Download answer={answer} name={id} />}
          </div>
        </form>
        <aside aria-label="Tables">
          <Loaded resource={backup}>{({ tables }) => <Tables tables={tables} onChoose={type} />}</Loaded>
        </aside>
      </div>
      <Answer answer={answer} />
      <CommandLine words={['query', id, sql]} />
    </Page>
  )
}

function selectFrom(name: string): string {
  return `SELECT * FROM ${name} LIMIT 100`
}

function Tables({ tables, onChoose }: { readonly tables: readonly Table[]; readonly onChoose: (sql: string) => void }) {
  return (
    <ul class="table-list">
      {tables.map((table) => (
        <li key={displayName(table)}>
          <button type="button" class="quiet" onClick={() => onChoose(selectFrom(displayName(table)))}>
            {displayName(table)}
          </button>
          <span class="dim">{formatBytes(table.bytes)}</span>
        </li>
      ))}
    </ul>
  )
}

function Answer({ answer }: { readonly answer: QueryAnswer }) {
  const { state, columns, rows, end, problem } = answer
  return (
    <section aria-label="Answer" aria-live="polite">
      {state === 'running' && (
        <>
          <Mark tone="busy">running</Mark> <progress aria-label="The query runs" />
        </>
      )}
      {state === 'cancelled' && <Mark tone="warn">cancelled</Mark>}
      {problem && <ProblemNote problem={problem} />}
      {end && (
        <p class="figures">
          <Mark tone="good">{plural(end.rows, 'row')}</Mark>
          <span>{formatSeconds(end.seconds)}</span>
          <span>{formatBytes(end.fetched)} fetched from the repository</span>
          {end.truncated && <Mark tone="warn">there are more: add a LIMIT, or use permafrost query</Mark>}
        </p>
      )}
      {columns.length > 0 && (
        <LongTable
          label="Rows"
          columns={columns.map(({ name, type }, index) => ({
            title: name,
            number: /^(Nullable\()?(U?Int|Float|Decimal)/.test(type),
            cell: (row: readonly unknown[]) => <span title={type}>{textOf(row[index])}</span>,
          }))}
          rows={rows}
          keyOf={(_, index) => String(index)}
        />
      )}
    </section>
  )
}

function textOf(value: unknown): string {
  if (value === null) return 'NULL'
  return typeof value === 'string' ? value : JSON.stringify(value)
}

function Download({ answer: { columns, rows }, name }: { readonly answer: QueryAnswer; readonly name: string }) {
  const save = (): void => {
    const lines = [columns.map((column) => column.name), ...rows].map((row) => row.map(csvField).join(','))
    const url = URL.createObjectURL(new Blob([`${lines.join('\r\n')}\r\n`], { type: 'text/csv' }))
    const link = document.createElement('a')
    link.href = url
    link.download = `${name}.csv`
    link.click()
    URL.revokeObjectURL(url)
  }
  return (
    <button type="button" onClick={save}>
      Download CSV
    </button>
  )
}

function csvField(value: unknown): string {
  const text = value === null ? '' : textOf(value)
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}
