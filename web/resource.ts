import { useSignal } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'
import { problemOf } from './api.ts'
import type { ShownProblem } from './api.ts'
import { changes } from './live.ts'

/** Something that the agent was asked for. What was there stays while it is asked again. */
export interface Resource<T> {
  readonly value?: T
  readonly problem?: ShownProblem
  readonly reload: () => void
}

/**
 * Ask for something, and again whenever an operation has ended or the agent is back.
 *
 * @param key what is asked for; another key is another thing
 */
export function useResource<T>(key: string, load: (signal: AbortSignal) => Promise<T>): Resource<T> {
  const state = useSignal<{ readonly key: string; readonly value?: T; readonly problem?: ShownProblem }>({ key })
  const asked = useSignal(0)
  const latest = useRef(load)
  latest.current = load
  const reason = `${key} ${changes.value} ${asked.value}`
  useEffect(() => {
    const abort = new AbortController()
    latest.current(abort.signal).then(
      (value) => {
        if (!abort.signal.aborted) state.value = { key, value }
      },
      (error: unknown) => {
        if (abort.signal.aborted) return
        const kept = state.value.key === key ? state.value : { key }
        state.value = { ...kept, problem: problemOf(error) }
      },
    )
    return () => abort.abort()
  }, [reason])
  const shown = state.value.key === key ? state.value : { key }
  return { ...shown, reload: () => void asked.value++ }
}
