import { displayName } from '../../src/core/sql.ts'
import { formatBytes, plural } from '../../src/core/units.ts'
import { href } from '../route.ts'
import type { Operation } from '../types.ts'
import { Section } from './section.tsx'

/** The results of the commands, as far as they are shown; all are optional, for older agents wrote some of them down. */
interface Result {
  readonly summary?: { readonly id: string; readonly tables: number; readonly logical: number; readonly stored: number }
  readonly tables?: readonly unknown[]
  readonly plan?: {
    readonly steps?: readonly { readonly target: Named; readonly rows: number; readonly bytes: number }[]
  }
  readonly parts?: number
  readonly bytes?: number
  readonly backups?: readonly string[]
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

function linesOf({ kind }: Operation, { summary, plan, parts, bytes, backups }: Result): readonly string[] {
  if (summary)
    return [
      `${plural(summary.tables, 'table')}, ${formatBytes(summary.logical)} logical, ${formatBytes(summary.stored)} stored`,
    ]
  if (kind === 'restore' && plan?.steps)
    return plan.steps.map(
      ({ target, rows, bytes: size }) => `${displayName(target)}: ${plural(rows, 'row')}, ${formatBytes(size)}`,
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
