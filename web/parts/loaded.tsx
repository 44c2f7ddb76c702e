import type { ComponentChildren } from 'preact'
import type { Resource } from '../resource.ts'
import { ProblemNote } from './problem-note.tsx'

/** What was asked for, when it has come; until then, that it is on its way; and why it did not come. */
export function Loaded<T>({
  resource,
  children,
}: {
  readonly resource: Resource<T>
  readonly children: (value: T) => ComponentChildren
}) {
  const { value, problem } = resource
  return (
    <>
      {problem && <ProblemNote problem={problem} />}
      {value !== undefined && children(value)}
      {value === undefined && !problem && <p class="loading">Loading …</p>}
    </>
  )
}
