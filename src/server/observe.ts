import type { OperationState } from './contract/operations.ts'
import { hasEnded } from './jobs.ts'
import type { Jobs } from './jobs.ts'
import { takeInHistory } from './metrics.ts'
import type { Metrics } from './metrics.ts'
import { createNotices } from './notices.ts'
import type { Notices } from './notices.ts'
import type { AgentPorts, AgentSettings } from './ports.ts'
import { sendTrace, traceOf } from './traces.ts'

/** Tell metrics, notices and traces of everything that begins and ends. */
export function observe(
  jobs: Jobs,
  metrics: Metrics,
  { settings, ports }: { readonly settings: () => AgentSettings; readonly ports: AgentPorts },
): Notices {
  const notices = createNotices(settings, ports)
  takeInHistory(metrics, jobs.list())
  const lastState = (kind: string, beside: string): OperationState | undefined =>
    jobs.list().find((one) => one.kind === kind && one.id !== beside && hasEnded(one) && one.state !== 'cancelled')
      ?.state
  const trace = (id: string): void => {
    const { traces } = settings()
    if (traces === undefined) return
    const { operation, log } = jobs.get(id)
    sendTrace(traces, traceOf(operation, log.after(0), ports.random)).catch(() =>
      ports.log({ level: 'warning', message: 'agent.traces cannot be reached: a trace is lost' }),
    )
  }
  jobs.follow(undefined, (entry) => {
    if (entry.type !== 'operation') return
    const { operation } = entry
    if (operation.state === 'running') notices.began(operation)
    if (!hasEnded(operation)) return
    metrics.ended(operation, 'now')
    notices.ended(operation, lastState(operation.kind, operation.id))
    trace(operation.id)
    const { id, kind, state, error } = operation
    const level = error ? 'error' : 'info'
    ports.log({ level, message: `${kind} ${id}: ${state}${error ? `, ${error.detail}` : ''}`, operation: id, state })
  })
  return notices
}
