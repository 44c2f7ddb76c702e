import { computed, signal } from '@preact/signals'
import { get } from './api.ts'
import { follow } from './follow.ts'
import { loadSession } from './session.ts'
import type { Operation, OperationState } from './types.ts'

/** Operations that were heard of since the console was opened, by id. */
const heard = signal<ReadonlyMap<string, Operation>>(new Map())

/** Counts what makes an answer old: an operation that ended, an agent that is back. */
export const changes = signal(0)

/** Whether events come in. */
export const connected = signal(true)

/** What runs or waits, the running first. */
export const atWork = computed(() =>
  [...heard.value.values()]
    .filter(({ state }) => !isOver(state))
    .toSorted(
      (a, b) => Number(b.state === 'running') - Number(a.state === 'running') || (a.queued < b.queued ? -1 : 1),
    ),
)

/** Has it come to an end, whatever end? */
export function isOver(state: OperationState): boolean {
  return state !== 'queued' && state !== 'running'
}

/** An operation is news: show it, and when it ended, ask again for what it may have changed. */
export function hear(operation: Operation): void {
  const before = heard.value.get(operation.id)
  if (before && isOver(before.state)) return
  heard.value = new Map(heard.value).set(operation.id, operation)
  if (isOver(operation.state)) changes.value++
}

/** Follow everything that the agent does, until the returned function is called. */
export function startLive(): () => void {
  return follow('/events', {
    // Asked again after each opening: what ended while nobody listened is in no stream.
    onOpen: () => {
      if (!connected.value) changes.value++
      connected.value = true
      void catchUp()
    },
    // Turned away, or nobody there: the session tells which. Sessions end with the agent.
    onLost: (closed) => {
      connected.value = false
      if (closed) loadSession().catch(() => undefined)
      return true
    },
    onEntry: (entry) => {
      if (entry.type === 'operation') hear(entry.operation)
    },
  })
}

async function catchUp(): Promise<void> {
  const { operations } = await get('/operations', { query: { limit: '50' } }).catch(() => ({ operations: [] }))
  const known = new Set(operations.map(({ id }) => id))
  const kept = [...heard.value].filter(([id, { state }]) => known.has(id) || isOver(state))
  heard.value = new Map([...kept, ...operations.map((operation) => [operation.id, operation] as const)])
}
