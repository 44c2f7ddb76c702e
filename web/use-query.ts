import { useSignal } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'
import { lines, problemOf } from './api.ts'
import type { ShownProblem } from './api.ts'
import type { QueryLine } from './types.ts'

export interface QueryAnswer {
  readonly state: 'idle' | 'running' | 'done' | 'cancelled' | 'failed'
  readonly columns: readonly { readonly name: string; readonly type: string }[]
  readonly rows: readonly (readonly unknown[])[]
  readonly end?: Extract<QueryLine, { readonly type: 'end' }>
  readonly problem?: ShownProblem
}

const NOTHING: QueryAnswer = { state: 'idle', columns: [], rows: [] }

/** SQL on a backup; the answer grows as it comes. To leave the page is to cancel. */
export function useQuery(backup: string) {
  const answer = useSignal<QueryAnswer>(NOTHING)
  const abort = useRef<AbortController | undefined>(undefined)
  useEffect(() => () => abort.current?.abort(), [])
  const run = async (sql: string): Promise<void> => {
    abort.current?.abort()
    const mine = new AbortController()
    abort.current = mine
    answer.value = { ...NOTHING, state: 'running' }
    try {
      for await (const line of lines('/query', { backup, sql }, mine.signal)) {
        if (mine.signal.aborted) return
        answer.value = addLine(answer.value, line as QueryLine)
      }
    } catch (error) {
      if (!mine.signal.aborted) answer.value = { ...answer.value, state: 'failed', problem: problemOf(error) }
    }
  }
  const cancel = (): void => {
    abort.current?.abort()
    answer.value = { ...answer.value, state: 'cancelled' }
  }
  return { answer: answer.value, run, cancel }
}

function addLine(answer: QueryAnswer, line: QueryLine): QueryAnswer {
  switch (line.type) {
    case 'columns':
      return { ...answer, columns: line.columns }
    case 'rows':
      return { ...answer, rows: [...answer.rows, ...line.rows] }
    case 'end':
      return { ...answer, state: 'done', end: line }
    case 'error':
      return { ...answer, state: 'failed', problem: line.error as ShownProblem }
  }
}
