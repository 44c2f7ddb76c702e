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
    readonly steps?: readonly { readonly target: Named; readonly rows: number; readonly bytes: number }[]
  }
  readonly parts?: number
  readonly bytes?: number
  readonly backups?: readonly string[]
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
  if (lines.length === 0) return null
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

function linesOf({ kind }: Operation, { summary, plan, parts, bytes, backups, tables }: Result): readonly string[] {
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
  return []
}

function Next({ operation, result }: { readonly operation: Operation; readonly result: Result }) {
  const { summary } = result
  if (summary)
    return (
      <p>
        <a href={href('backups', summary.id)}>Look at backup {summary.id}</a>
      </p>
    )
  const backup = operation.request['backup']
  if (typeof backup !== 'string') return null
  return (
    <p>
      <a href={href('backups', backup)}>Back to backup {backup}</a>
    </p>
  )
}
