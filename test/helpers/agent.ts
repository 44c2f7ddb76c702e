import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { embeddedEngine } from '../../src/engine/embedded.ts'
import { thisFreezer } from '../../src/engine/freezer.ts'
import type { Repository } from '../../src/repository/repository.ts'
import { startAgent } from '../../src/server/agent.ts'
import type { Agent } from '../../src/server/agent.ts'
import type { Operation } from '../../src/server/contract/operations.ts'
import { API, ROUTES } from '../../src/server/contract/routes.ts'
import type { AnswerOf, RouteName } from '../../src/server/contract/routes.ts'
import type { LogLine } from '../../src/server/log.ts'
import type { AgentPorts, AgentSettings } from '../../src/server/ports.ts'
import { nodeDisk } from '../../src/storage/node-disk.ts'
import type { Workbench } from './workbench.ts'

export interface TestAgent extends Agent, AsyncDisposable {
  readonly log: readonly LogLine[]
  /** The answer of a route, checked against its schema. */
  ask<K extends RouteName>(route: K, options?: Ask): Promise<AnswerOf<K>>
  /** Any request. */
  send(path: string, init?: RequestInit): Promise<Response>
  /** Start an operation and wait for its end. */
  run(request: object): Promise<Operation>
}

export interface Ask {
  readonly params?: Readonly<Record<string, string>>
  readonly query?: Readonly<Record<string, string>>
  readonly body?: object
  readonly token?: string
}

export interface AgentInTest {
  /** The directory of the engine in the workbench. */
  readonly engine: string
  readonly repository: Repository
  readonly settings?: Partial<AgentSettings>
  readonly ports?: Partial<AgentPorts>
}

/** Those of an agent of which nothing is said. */
export const SETTINGS: AgentSettings = {
  host: '127.0.0.1',
  port: 0,
  tables: ['*.*'],
  retention: { policy: { last: 1 }, grace: 0 },
  schedule: {
    cron: { backup: undefined, verify: undefined, drill: undefined, copy: undefined, prune: undefined },
    timezone: 'UTC',
    jitter: 0,
  },
  drill: { checks: [], mostBytes: undefined },
  notify: { on: ['failed', 'overdue', 'damaged', 'recovered'] },
  compat: false,
}

/** The agent itself, on a real engine and repository. */
export async function testAgent(
  bench: Workbench,
  { engine, repository, settings, ports }: AgentInTest,
): Promise<TestAgent> {
  const log: LogLine[] = []
  const agent = await startAgent({
    disk: nodeDisk,
    clock: () => new Date(),
    random: randomBytes,
    limits: { workers: 1, memory: 128 << 20 },
    self: thisFreezer(),
    version: 'test',
    hostname: 'test',
    log: (line) => void log.push(line),
    scratch: () => join(bench.directory, 'scratch'),
    console: join(bench.directory, 'console'),
    settings: () => ({ ...SETTINGS, ...settings }),
    shownConfig: () => ({ settings: [] }),
    openRepository: async () => repository,
    copyPlaces: () => [],
    openEngine: () => embeddedEngine({ path: join(bench.directory, engine), random: randomBytes }),
    storeUsage: () => ({}),
    ...ports,
  })
  const send = (path: string, init: RequestInit = {}) => fetch(`${agent.url}${path}`, init)
  const ask: TestAgent['ask'] = async (name, { params = {}, query = {}, body, token } = {}) => {
    const { method, path, answer } = ROUTES[name]
    const filled = path.replaceAll(/:(\w+)/g, (_, param: string) => encodeURIComponent(params[param] ?? ''))
    const response = await send(`${API}${filled}?${new URLSearchParams(query).toString()}`, {
      method,
      headers: {
        ...(body && { 'content-type': 'application/json' }),
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
      },
      ...(body && { body: JSON.stringify(body) }),
    })
    const value: unknown = await response.json()
    if (!response.ok) throw Object.assign(new Error(`${name}: ${JSON.stringify(value)}`), { problem: value })
    answer.parse(value)
    return value as AnswerOf<typeof name>
  }
  return {
    ...agent,
    log,
    send,
    ask,
    run: async (request) => {
      const { operation } = await ask('start', { body: request })
      for await (const event of eventsOf(await send(`${API}/operations/${operation.id}/events`))) {
        const entry = JSON.parse(event.data) as { readonly operation?: Operation }
        if (entry.operation?.finished) return entry.operation
      }
      throw new Error('the stream ended before the operation')
    },
    [Symbol.asyncDispose]: () => agent.stop(),
  }
}

export interface ServerEvent {
  readonly id: number
  readonly event: string
  readonly data: string
}

/** Server-sent events as they come. */
export async function* eventsOf(response: Response): AsyncGenerator<ServerEvent> {
  let rest = ''
  const decoder = new TextDecoder()
  for await (const chunk of response.body ?? []) {
    rest += decoder.decode(chunk as Uint8Array, { stream: true })
    const blocks = rest.split('\n\n')
    rest = blocks.pop() ?? ''
    for (const block of blocks) {
      const field = (name: string) => new RegExp(`^${name}: (.*)$`, 'm').exec(block)?.[1] ?? ''
      if (field('event') !== '') yield { id: Number(field('id')), event: field('event'), data: field('data') }
    }
  }
}
