import { useSignal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import { get, problemOf } from './api.ts'
import type { ShownProblem } from './api.ts'
import { follow } from './follow.ts'
import { connected, hear, isOver } from './live.ts'
import { addEntry, NOTHING_YET } from './operation-view.ts'
import type { OperationView } from './operation-view.ts'

export interface FollowedOperation extends OperationView {
  readonly problem?: ShownProblem
}

/** Follow an operation from its first entry to its end, over broken connections and restarts of the agent. Of another id: of another component. */
export function useOperation(id: string): FollowedOperation {
  const view = useSignal<FollowedOperation>(NOTHING_YET)
  useEffect(() => {
    let stop: (() => void) | undefined
    let left = false
    const load = async (): Promise<void> => {
      const { operation, log } = await get('/operations/:operation', { params: { operation: id } })
      if (left) return
      // A restart of the agent numbers anew: what it tells now is the truth.
      view.value = { ...log.reduce(addEntry, NOTHING_YET), operation }
      hear(operation)
      if (isOver(operation.state)) stop?.()
    }
    const fail = (error: unknown): void => {
      view.value = { ...view.value, problem: problemOf(error) }
    }
    const start = async (): Promise<void> => {
      await load()
      const { operation } = view.value
      if (left || !operation || isOver(operation.state)) return
      stop = follow(`/operations/${encodeURIComponent(id)}/events`, {
        onEntry: (entry) => {
          view.value = addEntry(view.value, entry)
          if (entry.type === 'operation') hear(entry.operation)
        },
        // The agent says by ending the stream that there is nothing more; ask how it ended.
        onLost: (closed) => {
          if (closed) load().catch(() => undefined)
          return !left && !(view.value.operation && isOver(view.value.operation.state))
        },
      })
    }
    start().catch(fail)
    return () => {
      left = true
      stop?.()
    }
  }, [id, connected.value])
  return view.value
}
