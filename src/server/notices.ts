import { setTimeout as sleep } from 'node:timers/promises'
import type { Operation, OperationState } from './contract/operations.ts'
import type { AgentPorts, AgentSettings, Notice } from './ports.ts'

/** Who is told when something is wrong, and when it is right again. */
export interface Notices {
  /** A backup has begun. */
  began(operation: Operation): void
  /** @param before how the one of its kind before it ended */
  ended(operation: Operation, before: OperationState | undefined): void
  overdue(kind: string, isOverdue: boolean): void
}

/** Milliseconds to wait before each try. */
const TRIES = [0, 2000, 10_000]
const TIMEOUT = 10_000

const BAD: ReadonlySet<OperationState> = new Set(['failed', 'damaged', 'incomplete', 'interrupted'])

/** A webhook gets JSON; a check in the manner of healthchecks gets a ping for each backup. Both know no secret of ours. */
export function createNotices(
  settings: () => AgentSettings,
  { clock, hostname, log }: Pick<AgentPorts, 'clock' | 'hostname' | 'log'>,
): Notices {
  const late = new Set<string>()
  const post = (event: Notice, message: string, operation?: Operation): void => {
    const { url, on } = settings().notify
    if (url === undefined || !on.includes(event)) return
    const { result: _, ...told } = operation ?? {}
    const body = { event, at: clock().toISOString(), host: hostname, message, ...(operation && { operation: told }) }
    void send('notify.url', url, { method: 'POST', body: JSON.stringify(body) })
  }
  const ping = (suffix: '' | '/start' | '/fail'): void => {
    const { ping: url } = settings().notify
    if (url !== undefined) void send('notify.ping', url + suffix, { method: 'POST' })
  }
  const send = async (name: string, url: string, request: RequestInit): Promise<void> => {
    let problem = ''
    for (const wait of TRIES) {
      await sleep(wait, undefined, { ref: false })
      try {
        const headers = { 'content-type': 'application/json' }
        const answer = await fetch(url, { ...request, headers, signal: AbortSignal.timeout(TIMEOUT) })
        if (answer.ok) return
        problem = `answered ${answer.status}`
      } catch {
        // What fetch says may hold the address, and an address of this kind is a secret.
        problem = 'cannot be reached'
      }
    }
    log({ level: 'warning', message: `${name} ${problem}: a notice is lost` })
  }
  return {
    began: ({ kind }) => {
      if (kind === 'backup') ping('/start')
    },
    ended: (operation, before) => {
      const { kind, state, id, error } = operation
      if (state === 'damaged') post('damaged', `${kind} ${id} found damage`, operation)
      else if (BAD.has(state))
        post('failed', `${kind} ${id} ${state}: ${error?.detail ?? 'see its findings'}`, operation)
      else if (state === 'ok' && before !== undefined && BAD.has(before))
        post('recovered', `${kind} ${id} went well again`, operation)
      if (kind === 'backup' && state !== 'cancelled') ping(BAD.has(state) ? '/fail' : '')
    },
    overdue: (kind, isOverdue) => {
      if (isOverdue && !late.has(kind)) post('overdue', `${kind} is overdue`)
      if (!isOverdue && late.has(kind)) post('recovered', `${kind} is no longer overdue`)
      if (isOverdue) late.add(kind)
      else late.delete(kind)
    },
  }
}
