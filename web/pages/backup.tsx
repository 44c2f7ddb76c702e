import { formatBytes, plural } from '../../src/core/units.ts'
import { get } from '../api.ts'
import { formatBetween, formatCount, formatShare } from '../format.ts'
import { Act } from '../parts/act.tsx'
import { start } from '../start.ts'
import { Changes } from '../parts/changes.tsx'
import { Definitions } from '../parts/definitions.tsx'
import { CommandLine } from '../parts/command-line.tsx'
import { Ask } from '../parts/ask.tsx'
import { Hold } from '../parts/hold.tsx'
import { Facts } from '../parts/facts.tsx'
import { Findings } from '../parts/findings.tsx'
import { Loaded } from '../parts/loaded.tsx'
import { Mark } from '../parts/mark.tsx'
import { Moment } from '../parts/moment.tsx'
import { Page } from '../parts/page.tsx'
import { Section } from '../parts/section.tsx'
import { ProofMark } from '../parts/proof-mark.tsx'
import { Proofs } from '../parts/proofs.tsx'
import { TableTree } from '../parts/table-tree.tsx'
import { useResource } from '../resource.ts'
import { href } from '../route.ts'
import type { ShownBackup } from '../types.ts'

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
          <Hold id={id} heldUntil={shown?.heldUntil} />
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
            {value.definitions.length > 0 && (
              <Section title="Definitions">
                <Definitions definitions={value.definitions} />
              </Section>
            )}
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

function factsOf({ summary, proven, damaged, drill }: ShownBackup) {
  const { logical, stored, reused, tables, parts, rows, started, finished } = summary
  return [
    { name: 'Logical', value: formatBytes(logical), note: 'what it would restore' },
    { name: 'Stored', value: formatBytes(stored), note: `${formatShare(reused, logical)} was there before` },
    { name: 'Tables', value: formatCount(tables), note: `${plural(parts, 'part')}, ${plural(rows, 'row')}` },
    { name: 'Took', value: formatBetween(started, finished) },
    { name: 'Proven', value: <ProofMark proven={proven} damaged={damaged} />, note: drillNote(drill) },
  ]
}

function drillNote(drill: ShownBackup['drill']) {
  if (!drill) return 'never drilled'
  return drill.result === 'ok' ? 'its last drill passed' : <Mark tone="bad">its last drill did not pass</Mark>
}

function Forget({ id }: { readonly id: string }) {
  return (
    <Ask
      verb="Forget"
      title={`Forget backup ${id}?`}
      scope="admin"
      act={() => start({ kind: 'forget', backups: [id] })}
    >
      <p>
        It leaves the list. It can be taken back, on the page of the repository, until a prune after the grace period.
      </p>
    </Ask>
  )
}
