import { PermafrostError } from '../core/errors.ts'
import type { Emit } from '../core/events.ts'
import { logEntry } from '../server/contract/operations.ts'
import type { LogEntry, Operation } from '../server/contract/operations.ts'
import { API, ROUTES } from '../server/contract/routes.ts'
import type { AnswerOf, BodyOf, Route, RouteName } from '../server/contract/routes.ts'
import { problem } from '../server/contract/shapes.ts'
import { errorOfProblem } from '../server/problem.ts'
import type { Composition } from './compose.ts'

export const AGENT_TOKEN = 'PERMAFROST_AGENT_TOKEN'

/** A running agent, over its REST API. */
export interface AgentClient {
  ask<K extends RouteName>(route: K, options?: AskOptions<K>): Promise<AnswerOf<K>>
  /** Show an operation until it has ended; a connection that breaks is made again, and nothing is missed. */
  follow(id: string, emit: Emit): Promise<Operation>
}

interface AskOptions<K extends RouteName> {
  readonly params?: Readonly<Record<string, string>>
  readonly query?: Readonly<Record<string, string>>
  readonly body?: BodyOf<K>
}

/** How often a broken connection is made again before it is an error. */
const TRIES = 5

/** @param url of the agent; without it, where the configuration says that it listens */
export function agentClient(c: Composition, url: string | true | undefined): AgentClient {
  const { listen, certificate } = c.config().config.agent
  const scheme = certificate === undefined ? 'http' : 'https'
  const base = (typeof url === 'string' ? url : `${scheme}://${listen}`).replace(/\/+$/, '')
  const token = c.process.environment[AGENT_TOKEN]
  const request = async (path: string, init: RequestInit) => {
    const headers = new Headers(init.headers)
    if (token) headers.set('authorization', `Bearer ${token}`)
    const response = await answered(base, () => fetch(base + path, { ...init, headers, signal: c.signal }))
    if (response.ok) return response
    const refused = problem.safeParse(await response.json().catch(() => undefined))
    if (!refused.success) throw unreachable(base, new Error(`HTTP ${response.status}`))
    throw withTokenHint(errorOfProblem(refused.data))
  }
  const client: AgentClient = {
    ask: async (name, { params = {}, query = {}, body } = {}) => {
      const { method, path }: Route = ROUTES[name]
      const filled = path.replaceAll(/:(\w+)/g, (_, param: string) => encodeURIComponent(params[param] ?? ''))
      const search = new URLSearchParams(query).toString()
      const response = await request(`${API}${filled}${search && `?${search}`}`, {
        method,
        ...(body !== undefined && {
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify(body),
        }),
      })
      return (await response.json()) as AnswerOf<typeof name>
    },
    follow: async (id, emit) => {
      let last = 0
      let operation: Operation | undefined
      for (let tries = 0; tries < TRIES; tries++) {
        const response = await request(`${API}/operations/${encodeURIComponent(id)}/events`, {
          headers: { 'last-event-id': String(last) },
        })
        for await (const entry of entriesOf(response)) {
          tries = 0
          last = entry.seq
          if (entry.type === 'operation') operation = entry.operation
          else emit(entry as Parameters<Emit>[0])
        }
        if (operation?.finished !== undefined) return operation
      }
      throw unreachable(base, new Error('the stream broke off'))
    },
  }
  return client
}

async function answered(url: string, ask: () => Promise<Response>): Promise<Response> {
  try {
    return await ask()
  } catch (error) {
    throw unreachable(url, error)
  }
}

/** Entries of a stream, until it ends or breaks. */
async function* entriesOf(response: Response): AsyncGenerator<LogEntry> {
  const decoder = new TextDecoder()
  let rest = ''
  try {
    for await (const chunk of response.body ?? []) {
      const blocks = (rest + decoder.decode(chunk as Uint8Array, { stream: true })).split('\n\n')
      rest = blocks.pop() ?? ''
      for (const block of blocks) {
        const data = /^data: (.*)$/m.exec(block)?.[1]
        if (data !== undefined) yield logEntry.parse(JSON.parse(data))
      }
    }
  } catch (error) {
    // A connection that broke is made again by whoever reads; anything else is a mistake of ours.
    if (!(error instanceof TypeError)) throw error
  }
}

function unreachable(url: string, cause: unknown): PermafrostError {
  return new PermafrostError('ENGINE_UNAVAILABLE', `no agent of Permafrost answers at ${url}`, {
    hint: ['permafrost agent', 'or give --agent http://<address>:<port>'],
    cause,
  })
}

function withTokenHint(error: PermafrostError): PermafrostError {
  if (error.code !== 'UNAUTHORIZED') return error
  return new PermafrostError(error.code, error.message, { hint: `set ${AGENT_TOKEN}`, cause: error })
}
