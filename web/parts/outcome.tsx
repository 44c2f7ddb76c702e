import { displayName } from '../../src/core/sql.ts'
import { formatBytes, formatSeconds, plural } from '../../src/core/units.ts'
import { href } from '../route.ts'
import type { Operation } from '../types.ts'
import { Section } from './section.tsx'

/** The results of the commands, as far as they are shown; all are optional, for older agents wrote some of them down. */
interface Result {
  readonly summary?: { readonly id: string; readonly tables: number; readonly logical: number; readonly stored: number }
  /** Of a drill; of other operations, of no interest here. */
  readonly tables?: readonly Drilled[]
  readonly plan?: {
    readonly forget?: readonly string[]
    readonly until?: string
    readonly steps?: readonly { readonly target: Named; readonly rows: number; readonly bytes: number }[]
  }
  readonly parts?: number
  readonly bytes?: number
  readonly backups?: readonly string[]
  readonly held?: readonly string[]
  readonly until?: string
  readonly restored?: readonly string[]
  readonly collected?: { readonly bytes: number }
  readonly copies?: readonly {
    readonly plan: { readonly to: string }
    readonly result: { readonly copied: readonly string[]; readonly stored: number }
  }[]
}

interface Drilled {
  readonly table: string
  readonly rows: number
  readonly bytes: number
  readonly restoreSeconds: number
}

interface Named {
  readonly database: string
  readonly name: string
}

/** What came of an operation, and where to go from there. */
export function Outcome({ operation }: { readonly operation: Operation }) {
  const result = (operation.result ?? {}) as Result
  const lines = linesOf(operation, result)
  if (lines.length === 0) return <Next operation={operation} result={result} />
  return (
    <Section title="Result">
      <ul class="result">
        {lines.map((line) => (
          <li key={line}>{line}</li>
        ))}
      </ul>
      <Next operation={operation} result={result} />
    </Section>
  )
}

function linesOf(operation: Operation, result: Result): readonly string[] {
  const { kind } = operation
  const { summary, plan, parts, bytes, backups, tables } = result
  if (summary)
    return [
      `${plural(summary.tables, 'table')}, ${formatBytes(summary.logical)} logical, ${formatBytes(summary.stored)} stored`,
    ]
  if (kind === 'restore' && plan?.steps)
    return plan.steps.map(
      ({ target, rows, bytes: size }) => `${displayName(target)}: ${plural(rows, 'row')}, ${formatBytes(size)}`,
    )
  if (kind === 'drill' && tables)
    return tables.map(
      ({ table, rows, bytes: size, restoreSeconds }) =>
        `${table}: ${plural(rows, 'row')}, ${formatBytes(size)} restored in ${formatSeconds(restoreSeconds)}`,
    )
  if (kind === 'verify' && backups && parts !== undefined && bytes !== undefined)
    return [`${plural(backups.length, 'backup')}, ${plural(parts, 'part')}, ${formatBytes(bytes)} looked at`]
  return markedOf(operation, result)
}

/** Of what changed marks only, or another repository. */
function markedOf(
  { kind }: Operation,
  { plan, held, until = '', restored, copies, collected }: Result,
): readonly string[] {
  if (kind === 'forget' && plan?.forget)
    return [`${plural(plan.forget.length, 'backup')} forgotten; until ${plan.until?.slice(0, 10)} nothing deletes them`]
  return [
    ...(held ?? []).map((id) => `${id} is held until ${until.slice(0, 10)}`),
    ...(restored ?? []).map((id) => `${id} is back in the list`),
    ...(copies ?? []).map(
      ({ plan: { to }, result: { copied, stored } }) =>
        `${plural(copied.length, 'backup')} copied to ${to}, ${formatBytes(stored)} stored there`,
    ),
    ...(collected ? [`${formatBytes(collected.bytes)} freed`] : []),
  ]
}

function Next({ operation, result }: { readonly operation: Operation; readonly result: Result }) {
  const { summary } = result
  if (summary)
    return (
      <p>
        <a href={href('backups', summary.id)}>Look at backup {summary.id}</a>
      </p>
    )
  if (operation.kind === 'forget' && operation.state === 'ok')
    return (
      <p>
        <a href={href('repository')}>Look at what is forgotten</a>
      </p>
    )
  const { backup, backups } = operation.request
  const [only, ...others] = Array.isArray(backups) ? (backups as readonly unknown[]) : [backup]
  if (typeof only !== 'string' || others.length > 0) return null
  return (
    <p>
      <a href={href('backups', only)}>Back to backup {only}</a>
    </p>
  )
}
