import type { AnswerOf, ROUTES, RouteName } from '../src/server/contract/routes.ts'
import type { Problem } from '../src/server/contract/shapes.ts'

type Routes = typeof ROUTES
type Method = 'GET' | 'POST' | 'DELETE'

/** The paths and answers of the server's own table of routes. */
type Path<M extends Method> = {
  [K in RouteName]: Routes[K]['method'] extends M ? Routes[K]['path'] : never
}[RouteName]
type Answer<M extends Method, P extends string> = {
  [K in RouteName]: Routes[K] extends { readonly method: M; readonly path: P } ? AnswerOf<K> : never
}[RouteName]

export interface Call {
  /** What stands for `:name` in the path. */
  readonly params?: Readonly<Record<string, string>>
  readonly query?: Readonly<Record<string, string | undefined>>
  readonly signal?: AbortSignal
}

const API = '/api/v1'

/** @throws Refused */
export async function get<P extends Path<'GET'>>(path: P, call: Call = {}): Promise<Answer<'GET', P>> {
  return (await (await request('GET', path, call)).json()) as Answer<'GET', P>
}

/** @throws Refused */
export async function post<P extends Path<'POST'>>(
  path: P,
  body: unknown,
  call: Call = {},
): Promise<Answer<'POST', P>> {
  return (await (await request('POST', path, { ...call, body })).json()) as Answer<'POST', P>
}

/** @throws Refused */
export async function remove<P extends Path<'DELETE'>>(path: P): Promise<Answer<'DELETE', P>> {
  return (await (await request('DELETE', path, {})).json()) as Answer<'DELETE', P>
}

/** Lines of NDJSON as they come. @throws Refused */
export async function* lines(path: Path<'POST'>, body: unknown, signal: AbortSignal): AsyncGenerator {
  const response = await request('POST', path, { body, signal })
  let rest = ''
  for await (const text of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
    const pieces = (rest + text).split('\n')
    rest = pieces.pop() ?? ''
    for (const line of pieces) if (line !== '') yield JSON.parse(line)
  }
  if (rest !== '') yield JSON.parse(rest)
}

/** What the agent said no to, or that it did not answer at all; `status` is 0 then. */
export class Refused extends Error {
  override readonly name = 'Refused'
  readonly problem: ShownProblem

  constructor(problem: ShownProblem) {
    super(problem.detail)
    this.problem = problem
  }
}

export interface ShownProblem extends Pick<Problem, 'title' | 'status' | 'detail' | 'hint' | 'facts'> {
  readonly code?: string
}

/** Any thrown thing as something that can be shown. */
export function problemOf(error: unknown): ShownProblem {
  if (error instanceof Refused) return error.problem
  return { title: 'a bug in the console', status: 0, detail: error instanceof Error ? error.message : String(error) }
}

const listeners = new Set<(problem: ShownProblem) => void>()

/** Hear of every refusal: the session ends with the first 401. */
export function onRefusal(listener: (problem: ShownProblem) => void): void {
  listeners.add(listener)
}

async function request(
  method: Method,
  path: string,
  { params = {}, query = {}, signal, body }: Call & { readonly body?: unknown },
): Promise<Response> {
  const response = await fetch(urlOf(path, { params, query }), {
    method,
    ...(signal && { signal }),
    ...(body !== undefined && { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
  }).catch((error: unknown) => {
    if (signal?.aborted) throw error
    throw refuse({ title: 'no answer', status: 0, detail: 'the agent does not answer', hint: ['is it running?'] })
  })
  if (response.ok) return response
  const isProblem = response.headers.get('content-type')?.startsWith('application/problem+json')
  const { statusText, status } = response
  throw refuse(
    isProblem
      ? ((await response.json()) as Problem)
      : { title: statusText, status, detail: `the agent answered ${status} ${statusText}` },
  )
}

function refuse(problem: ShownProblem): Refused {
  for (const listener of listeners) listener(problem)
  return new Refused(problem)
}

/** The address of a route, for requests and event streams. */
export function urlOf(path: string, { params = {}, query = {} }: Pick<Call, 'params' | 'query'> = {}): string {
  const filled = path.replaceAll(/:(\w+)/g, (_, name: string) => encodeURIComponent(params[name] ?? ''))
  const search = new URLSearchParams(
    Object.entries(query).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  )
  return API + filled + (search.size > 0 ? `?${search}` : '')
}
