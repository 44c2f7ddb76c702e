import { PermafrostError } from '../core/errors.ts'
import type { OperationRequest } from '../server/contract/operations.ts'
import type { Composition } from './compose.ts'

export interface DoneByAgent<T> {
  /** What the command prints with `--json`. */
  readonly result: T
  readonly exit: number
}

export interface AgentWork {
  /** Where the agent listens; `true`: where the configuration says. */
  readonly url: string | true
  readonly request: OperationRequest
  /** Flags that an agent is not told, and whether they were given: of no effect is worse than refused. */
  readonly untold: Readonly<Record<string, unknown>>
}

/** Let a running agent carry out an operation, and show it until it has ended. @throws what it failed with */
export async function runByAgent<T>(c: Composition, { url, request, untold }: AgentWork): Promise<DoneByAgent<T>> {
  const [flag] = Object.entries(untold).find(([, given]) => isGiven(given)) ?? []
  if (flag !== undefined) throw new PermafrostError('USAGE', `${flag} does not go with --agent`)
  const { agentClient } = await import('./agent-client.ts')
  const { exitCodeOfOperation } = await import('./agent-outcome.ts')
  const agent = agentClient(c, url)
  const { operation } = await agent.ask('start', { body: request })
  c.output.say(`Operation ${operation.id}. Ctrl-C leaves it running; permafrost operations ${operation.id} --follow`)
  const ended = await agent.follow(operation.id, c.base().emit)
  return { exit: exitCodeOfOperation(ended), result: ended.result as T }
}

function isGiven(value: unknown): boolean {
  return Array.isArray(value) ? value.length > 0 : value !== undefined && value !== false
}
