import { formatBytes, plural } from '../../src/core/units.ts'
import { get, post } from '../api.ts'
import { formatBetween, formatCount, formatShare } from '../format.ts'
import { Act } from '../parts/act.tsx'
import { start } from '../start.ts'
import { Changes } from '../parts/changes.tsx'
import { CommandLine } from '../parts/command-line.tsx'
import { Ask } from '../parts/ask.tsx'
import { Facts } from '../parts/facts.tsx'
import { Findings } from '../parts/findings.tsx'
import { Loaded } from '../parts/loaded.tsx'
import { Mark } from '../parts/mark.tsx'
import { Moment } from '../parts/moment.tsx'
import { Page } from '../parts/page.tsx'
import { Section } from '../parts/section.tsx'
import { LEVELS, ProofMark } from '../parts/proof-mark.tsx'
import { TableTree } from '../parts/table-tree.tsx'
import { useResource } from '../resource.ts'
import { go, href } from '../route.ts'
import type { Attestation, ShownBackup } from '../types.ts'

/** One backup: what it holds, what is new in it, what was shown of it, and what can be done with it. */
export function BackupPage({ id }: { readonly id: string }) {
  const call = { params: { backup: id } }
  const backup = useResource(`backup ${id}`, (signal) => get('/backups/:backup', { ...call, signal }))
  const diff = useResource(`diff ${id}`, (signal) => get('/backups/:backup/diff', { ...call, signal }))
  const shown = backup.value
  return (
    <Page
      title={`Backup ${id}`}
      about={shown && <About shown={shown} />}
      actions={
        <>
          <a class="button primary" href={href('backups', id, 'restore')}>
            Restore …
          </a>
          <a class="button" href={href('backups', id, 'query')}>
            Query
          </a>
          <Act scope="operate" act={() => start({ kind: 'verify', backups: [id], level: 'content' })}>
            Verify
          </Act>
          <Act scope="operate" act={() => start({ kind: 'drill', backup: id })}>
            Drill
          </Act>
          <Hold id={id} />
          <Forget id={id} />
        </>
      }
    >
      <Loaded resource={backup}>
        {(value) => (
          <>
            <Facts facts={factsOf(value)} />
            <Section title="Tables">
              <TableTree backup={id} tables={value.tables} diff={diff.value} />
            </Section>
            <Section title="Changes since the previous backup">
              <Loaded resource={diff}>{(compared) => <Changes diff={compared} />}</Loaded>
            </Section>
            <Section title="Proofs">
              <Proofs shown={value} />
            </Section>
            {value.findings.length > 0 && (
              <Section title="Findings">
                <Findings findings={value.findings} />
              </Section>
            )}
          </>
        )}
      </Loaded>
      <CommandLine words={['show', id]} />
    </Page>
  )
}

function About({ shown: { summary, heldUntil } }: { readonly shown: ShownBackup }) {
  return (
    <>
      {summary.status === 'complete' ? <Mark tone="good">complete</Mark> : <Mark tone="warn">incomplete</Mark>} of{' '}
      {summary.host}, ClickHouse {summary.clickhouse}, made <Moment at={summary.started} />
      {heldUntil && `, held until ${heldUntil.slice(0, 10)}`}
    </>
  )
}

function factsOf({ summary, proven, damaged }: ShownBackup) {
  const { logical, stored, reused, tables, parts, rows, started, finished } = summary
  return [
    { name: 'Logical', value: formatBytes(logical), note: 'what it would restore' },
    { name: 'Stored', value: formatBytes(stored), note: `${formatShare(reused, logical)} was there before` },
    { name: 'Tables', value: formatCount(tables), note: `${plural(parts, 'part')}, ${plural(rows, 'row')}` },
    { name: 'Took', value: formatBetween(started, finished) },
    { name: 'Proven', value: <ProofMark proven={proven} damaged={damaged} /> },
  ]
}

const SHOWS: Readonly<Record<Attestation['level'], string>> = {
  1: 'every pack is there, with its size',
  2: 'and its bytes are what was stored',
  3: 'and every file was rebuilt and is what ClickHouse wrote',
  4: 'and ClickHouse attached it, and answered',
}

function Proofs({ shown: { proven, damaged } }: { readonly shown: ShownBackup }) {
  const known = [damaged, proven].filter((one) => one !== undefined)
  if (known.length === 0)
    return <p class="dim">Nothing was checked yet. “Verify” reads all of it back and compares every file.</p>
  return (
    <div class="table-frame">
      <table aria-label="Proofs">
        <thead>
          <tr>
            <th scope="col">Level</th>
            <th scope="col">Result</th>
            <th scope="col">When</th>
            <th scope="col" class="number">
              Looked at
            </th>
            <th scope="col">It shows that</th>
          </tr>
        </thead>
        <tbody>
          {known.map(({ level, result, at, parts, bytes, problems }) => (
            <tr key={at}>
              <th scope="row">{LEVELS[level]}</th>
              <td>
                {result === 'ok' ? <Mark tone="good">ok</Mark> : <Mark tone="bad">{plural(problems, 'problem')}</Mark>}
              </td>
              <td>
                <Moment at={at} />
              </td>
              <td class="number">
                {plural(parts, 'part')}, {formatBytes(bytes)}
              </td>
              <td>{result === 'ok' ? SHOWS[level] : 'not all of it can be restored'}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}

const HELD_DAYS = 90

function Hold({ id }: { readonly id: string }) {
  const until = new Date(Date.now() + HELD_DAYS * 86_400_000).toISOString()
  return (
    <Ask
      verb="Hold"
      title={`Hold backup ${id}?`}
      scope="operate"
      act={() => start({ kind: 'hold', backup: id, until })}
    >
      <p>No policy forgets it before {until.slice(0, 10)}. Holding it again moves that day on.</p>
    </Ask>
  )
}

function Forget({ id }: { readonly id: string }) {
  return (
    <Ask
      verb="Forget"
      title={`Forget backup ${id}?`}
      scope="admin"
      act={async () => {
        await post('/operations', { kind: 'forget', backups: [id] })
        go('repository')
      }}
    >
      <p>
        It leaves the list. It can be taken back, on the page of the repository, until a prune after the grace period.
      </p>
    </Ask>
  )
}
