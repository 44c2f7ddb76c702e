import { useSignal } from '@preact/signals'
import { useMemo } from 'preact/hooks'
import { formatBytes, formatSeconds, plural } from '../../src/core/units.ts'
import { get } from '../api.ts'
import { formatCount, formatTime, formatUntil } from '../format.ts'
import { Act } from '../parts/act.tsx'
import { start } from '../start.ts'
import { CommandLine } from '../parts/command-line.tsx'
import { DayStrip } from '../parts/day-strip.tsx'
import { Facts } from '../parts/facts.tsx'
import type { Fact } from '../parts/facts.tsx'
import { Loaded } from '../parts/loaded.tsx'
import { LongTable } from '../parts/long-table.tsx'
import type { LongColumn } from '../parts/long-table.tsx'
import { Mark } from '../parts/mark.tsx'
import { Age } from '../parts/age.tsx'
import { Moment } from '../parts/moment.tsx'
import { now } from '../now.ts'
import { Page } from '../parts/page.tsx'
import { Section } from '../parts/section.tsx'
import { ProofMark } from '../parts/proof-mark.tsx'
import { SizeChart } from '../parts/size-chart.tsx'
import { useResource } from '../resource.ts'
import { href } from '../route.ts'
import type { Backup, ReadBackup, Schedule, Status } from '../types.ts'

/** Are we safe, and what is there. */
export function BackupsPage() {
  const day = useSignal<string | undefined>(undefined)
  const status = useResource('status', (signal) => get('/status', { signal }))
  const schedule = useResource('schedule', (signal) => get('/schedule', { signal }))
  const backups = useResource('backups', (signal) => get('/backups', { signal }))
  return (
    <Page
      title="Backups"
      about={status.value && `of ${status.value.host}`}
      actions={
        <Act primary scope="operate" act={() => start({ kind: 'backup' })}>
          Back up now
        </Act>
      }
    >
      <Loaded resource={status}>
        {(value) => (
          <>
            <Facts facts={factsOf(value, schedule.value)} />
            <DayStrip days={value.days} chosen={day.value} onChoose={(chosen) => (day.value = chosen)} />
          </>
        )}
      </Loaded>
      <Loaded resource={backups}>
        {(value) => <Listed backups={value.backups} day={day.value} onAll={() => (day.value = undefined)} />}
      </Loaded>
      <CommandLine words={['list']} />
    </Page>
  )
}

function factsOf(status: Status, schedule: Schedule | undefined): readonly Fact[] {
  const { lastGood, overdue, lastDrill } = status
  return [
    {
      name: 'Last good backup',
      value: lastGood ? <Age at={lastGood.finished} /> : 'never',
      note: (
        <>
          {overdue ? <Mark tone="bad">overdue</Mark> : <Mark tone={lastGood ? 'good' : 'quiet'}>not overdue</Mark>},{' '}
          {dueOf(schedule)}
        </>
      ),
    },
    {
      name: 'Stored',
      value: formatBytes(status.stored),
      note: `the newest would restore ${formatBytes(status.logical)}`,
    },
    {
      name: 'Proven',
      value: `${formatCount(status.proven)} of ${formatCount(status.backups)}`,
      note: <Unproven status={status} />,
    },
    {
      name: 'Last drill',
      value: lastDrill ? <Age at={lastDrill.at} /> : 'never',
      note: lastDrill ? <Drilled drill={lastDrill} /> : 'a drill restores a backup and asks it',
    },
  ]
}

function dueOf(schedule: Schedule | undefined): string {
  if (schedule?.paused) return 'the schedule is paused'
  const next = schedule?.entries.find(({ kind }) => kind === 'backup')?.next
  return next ? `next ${formatUntil(next, now.value)}` : 'no schedule'
}

function Unproven({ status: { backups, damaged, oldestUnproven } }: { readonly status: Status }) {
  if (damaged > 0) return <Mark tone="bad">{`${damaged} damaged`}</Mark>
  if (backups === 0) return <>nothing to prove yet</>
  if (!oldestUnproven) return <Mark tone="good">all of them</Mark>
  return (
    <>
      oldest unproven: <a href={href('backups', oldestUnproven.id)}>{formatTime(oldestUnproven.started)}</a>
    </>
  )
}

function Drilled({ drill: { result, seconds, backup } }: { readonly drill: NonNullable<Status['lastDrill']> }) {
  const passed = result === 'ok'
  return (
    <>
      <Mark tone={passed ? 'good' : 'bad'}>{passed ? 'passed' : 'not passed'}</Mark> in {formatSeconds(seconds)},{' '}
      <a href={href('backups', backup)}>its backup</a>
    </>
  )
}

const COLUMNS: readonly LongColumn<Backup>[] = [
  {
    title: 'Backup',
    cell: ({ id }) => (
      <a class="id" href={href('backups', id)}>
        {id}
      </a>
    ),
  },
  { title: 'Made', cell: (backup) => backup.outcome === 'read' && <Moment at={backup.started} /> },
  { title: 'Host', cell: (backup) => backup.outcome === 'read' && backup.host },
  { title: 'Status', cell: (backup) => <BackupMark backup={backup} /> },
  { title: 'Tables', number: true, cell: (backup) => backup.outcome === 'read' && formatCount(backup.tables) },
  { title: 'Logical', number: true, cell: (backup) => backup.outcome === 'read' && formatBytes(backup.logical) },
  { title: 'Stored', number: true, cell: (backup) => backup.outcome === 'read' && formatBytes(backup.stored) },
  { title: 'Proven', cell: (backup) => backup.outcome === 'read' && <ProofMark {...backup} /> },
  { title: 'Notes', cell: (backup) => backup.outcome === 'read' && notesOf(backup) },
]

function Listed({
  backups,
  day,
  onAll,
}: {
  readonly backups: readonly Backup[]
  readonly day: string | undefined
  readonly onAll: () => void
}) {
  const filter = useSignal('')
  const newestFirst = useMemo(() => backups.toReversed(), [backups])
  const shown = useMemo(
    () => newestFirst.filter((backup) => isMeant(backup, filter.value) && (!day || dayOf(backup) === day)),
    [newestFirst, filter.value, day],
  )
  const bars = backups.flatMap((backup) => (backup.outcome === 'read' ? [barOf(backup)] : []))
  if (backups.length === 0) return <p>The repository holds no backup yet: “Back up now” makes the first.</p>
  return (
    <>
      <Section title="Sizes">
        <SizeChart bars={bars} label="Logical bytes of each backup, and how many of them it stored" />
      </Section>
      <Section title="All backups">
        <div class="tools">
          <label class="field">
            <span>Filter</span>
            <input
              type="search"
              placeholder="id, host, status, tag"
              value={filter.value}
              onInput={(event) => (filter.value = event.currentTarget.value)}
            />
          </label>
          <span class="dim" role="status">
            {plural(shown.length, 'backup')}
            {day && ` of ${day} (UTC)`}
          </span>
          {day && (
            <button type="button" class="quiet" onClick={onAll}>
              All days
            </button>
          )}
        </div>
        <LongTable label="Backups" columns={COLUMNS} rows={shown} keyOf={({ id }) => id} />
      </Section>
    </>
  )
}

/** Whether all of a backup is there. */
function BackupMark({ backup }: { readonly backup: Backup }) {
  if (backup.outcome === 'damaged') return <Mark tone="bad">damaged</Mark>
  return backup.status === 'complete' ? <Mark tone="good">complete</Mark> : <Mark tone="warn">incomplete</Mark>
}

function notesOf({ tags, heldUntil }: ReadBackup): string {
  return [...tags, ...(heldUntil ? [`held until ${heldUntil.slice(0, 10)}`] : [])].join(' ')
}

function isMeant(backup: Backup, filter: string): boolean {
  const words = filter.toLowerCase().split(/\s+/)
  const text =
    backup.outcome === 'read'
      ? `${backup.id} ${backup.host} ${backup.status} ${notesOf(backup)}${backup.damaged ? ' damaged' : ''}`
      : `${backup.id} damaged`
  return words.every((word) => text.toLowerCase().includes(word))
}

/** The day, in UTC, that the strip counts it on. */
function dayOf(backup: Backup): string | undefined {
  return backup.outcome === 'read' ? backup.started.slice(0, 10) : undefined
}

function barOf({ started, logical, reused }: ReadBackup) {
  return { name: formatTime(started), stored: logical - reused, reused }
}
