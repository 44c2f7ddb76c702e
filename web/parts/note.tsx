import type { ComponentChildren } from 'preact'
import type { ShownProblem } from '../api.ts'
import { connected } from '../live.ts'
import type { Tone } from './mark.tsx'
import { Mark } from './mark.tsx'

/** Something that should be known. */
export function Note({
  tone,
  title,
  children,
}: {
  readonly tone: Tone
  readonly title: string
  readonly children?: ComponentChildren
}) {
  return (
    <div class={`note ${tone}`} role={tone === 'bad' ? 'alert' : 'status'}>
      <Mark tone={tone}>{title}</Mark>
      {children}
    </div>
  )
}

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
