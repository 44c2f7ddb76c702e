import { useSignal } from '@preact/signals'
import type { ComponentChildren } from 'preact'
import { problemOf } from '../api.ts'
import type { ShownProblem } from '../api.ts'
import { may } from '../session.ts'
import type { Scope } from '../types.ts'
import { ProblemNote } from './problem-note.tsx'

/** A button that does something that takes a while and can be refused; it says so beside itself. */
export function Act({
  scope,
  act,
  primary = false,
  disabled = false,
  children,
}: {
  readonly scope: Scope
  readonly act: () => Promise<void>
  readonly primary?: boolean
  readonly disabled?: boolean
  readonly children: ComponentChildren
}) {
  const busy = useSignal(false)
  const problem = useSignal<ShownProblem | undefined>(undefined)
  const run = async (): Promise<void> => {
    busy.value = true
    problem.value = undefined
    try {
      await act()
    } catch (error) {
      problem.value = problemOf(error)
    }
    busy.value = false
  }
  const allowed = may(scope)
  return (
    <>
      <button
        type="button"
        class={primary ? 'primary' : undefined}
        disabled={busy.value || disabled || !allowed}
        title={allowed ? undefined : `Needs a token with the scope ${scope}`}
        onClick={() => void run()}
      >
        {children}
      </button>
      {problem.value && <ProblemNote problem={problem.value} />}
    </>
  )
}
