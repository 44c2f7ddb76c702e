import type { ShownProblem } from '../api.ts'
import { connected } from '../live.ts'
import { Note } from './note.tsx'

/** What the agent said no to: the sentence, what to do, and the code to look up. */
export function ProblemNote({ problem }: { readonly problem: ShownProblem }) {
  // That nobody answers is said once, above the page.
  if (problem.status === 0 && !connected.value) return null
  const conflicts = problem.facts?.['conflicts']
  return (
    <Note tone="bad" title={problem.detail}>
      {Array.isArray(conflicts) && conflicts.length > 1 && (
        <ul>
          {conflicts.map((conflict) => (
            <li key={conflict}>{String(conflict)}</li>
          ))}
        </ul>
      )}
      {problem.hint?.map((hint) => (
        <p class="hint" key={hint}>
          {hint}
        </p>
      ))}
      {problem.code && (
        <p class="code">
          {problem.code}: {problem.title}
        </p>
      )}
    </Note>
  )
}
