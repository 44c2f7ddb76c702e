import { Hono } from 'hono'
import type { Context } from 'hono'
import { deleteCookie, getCookie, setCookie } from 'hono/cookie'
import type { z } from 'zod'
import { PermafrostError } from '../core/errors.ts'
import { allows, NotSignedIn } from './auth.ts'
import type { Auth, Principal } from './auth.ts'
import { createBucket } from './bucket.ts'
import type { Bucket } from './bucket.ts'
import { API, ROUTES } from './contract/routes.ts'
import type { AnswerOf, BodyOf, QueryOf, Route, RouteName } from './contract/routes.ts'
import type { Scope } from './contract/shapes.ts'
import { addressOf, bodySize, headers, loopbackName, rateLimit, sameOrigin } from './guards.ts'
import type { Log } from './log.ts'
import { problemOf } from './problem.ts'

/** A request that passed all guards. */
export interface Call<K extends RouteName = RouteName> {
  readonly query: QueryOf<K>
  readonly body: BodyOf<K>
  readonly param: (name: 'backup' | 'operation') => string
  /** Absent on open routes, for whoever is not signed in. */
  readonly principal: Principal | undefined
  /** Ends when the client goes away. */
  readonly signal: AbortSignal
  readonly lastEventId: number
  /** What the audit shall name: which operation, and of which kind. */
  readonly audited: (facts: { readonly kind?: string; readonly operation?: string }) => void
  readonly session: { readonly id: string | undefined; set(id: string, expires: string): void; clear(): void }
  /** @throws FORBIDDEN */
  readonly require: (scope: Scope) => void
}

type Stream = ReadableStream<Uint8Array>
/** What a route answers: a document, or a stream; nothing more to come is `undefined`. */
type Answer<K extends RouteName> = (typeof ROUTES)[K] extends { readonly stream: string }
  ? Stream | undefined
  : AnswerOf<K>
export type Handlers = { readonly [K in RouteName]: (call: Call<K>) => Promise<Answer<K>> }

export interface Audited {
  readonly at: string
  readonly by: string
  readonly address: string
  readonly action: string
  readonly outcome: number
  readonly operation?: string
}

export interface AppOptions {
  readonly handlers: Handlers
  readonly auth: Auth
  readonly clock: () => Date
  readonly log: Log
  /** Writes down who changed what. */
  readonly audit: (entry: Audited) => void
  readonly secure: boolean
  /** Routes beside the API: metrics, the console. */
  readonly more: (app: Hono, guard: (c: Context, scope: Scope) => Principal) => void
}

const COOKIE = 'permafrost_session'
/** Wrong tokens by one address. */
const FAILURES = { capacity: 10, perSecond: 1 / 30 }

/** The HTTP side: guards, then the table of routes, then whatever else is served. */
export function createApp(options: AppOptions): Hono {
  const { auth, clock, log, more } = options
  const app = new Hono()
  const failures = createBucket(FAILURES, clock)
  const guard = guardOf(auth, failures)
  app.use(
    headers,
    rateLimit(clock),
    loopbackName(() => !auth.required()),
    sameOrigin,
    bodySize,
  )
  for (const name of Object.keys(ROUTES) as RouteName[]) {
    const route: Route = ROUTES[name]
    app.on(route.method, `${API}${route.path}`, (c) => answer(c, { name, route, guard, failures }, options))
  }
  more(app, (c, scope) => guard(c, scope) as Principal)
  app.notFound((c) => problem(c, new PermafrostError('NOT_FOUND', `there is nothing at ${c.req.path}`)))
  app.onError((error, c) => {
    const { code } = problemOf(error)
    if (code === 'INTERNAL') log({ level: 'error', message: error.message, code, stack: error.stack })
    return problem(c, error)
  })
  return app
}

function problem(c: Context, error: unknown): Response {
  const body = problemOf(error)
  // That our own store or server turned us away is no reason for the client to sign in again.
  const status = body.status === 401 && !(error instanceof NotSignedIn) ? 502 : body.status
  if (status === 401) c.header('WWW-Authenticate', 'Bearer')
  if (status === 429) c.header('Retry-After', '1')
  c.header('Content-Type', 'application/problem+json')
  return c.body(JSON.stringify({ ...body, status }), status as 400)
}

type Guard = (c: Context, scope: Scope | 'open') => Principal | undefined

/** Who asks, and may they. */
function guardOf(auth: Auth, failures: Bucket): Guard {
  return (c, scope) => {
    const authorization = c.req.header('authorization')
    if (authorization !== undefined) refuseGuessing(c, failures)
    const principal = auth.identify({ authorization, session: getCookie(c, COOKIE) })
    if (!principal && authorization !== undefined) failures.take(addressOf(c))
    admit(principal, scope)
    return principal
  }
}

function admit(principal: Principal | undefined, scope: Scope | 'open'): void {
  if (scope === 'open') return
  if (!principal) throw new NotSignedIn()
  refuseBeyond(principal, scope)
}

function refuseBeyond(principal: Principal, scope: Scope): void {
  if (allows(principal.scope, scope)) return
  throw new PermafrostError('FORBIDDEN', `the token ${principal.name} may ${principal.scope}, and this needs ${scope}`)
}

/** Wrong tokens cost, so that nobody tries them all. */
function refuseGuessing(c: Context, failures: Bucket): void {
  if (failures.has(addressOf(c))) return
  throw new PermafrostError('TOO_MANY', 'too many wrong tokens', { hint: 'wait some minutes' })
}

interface Registered {
  readonly name: RouteName
  readonly route: Route
  readonly guard: Guard
  readonly failures: Bucket
}

async function answer(
  c: Context,
  { name, route, guard, failures }: Registered,
  options: AppOptions,
): Promise<Response> {
  let principal: Principal | undefined
  let outcome = 200
  let facts: { readonly kind?: string; readonly operation?: string } = {}
  try {
    if (name === 'signIn') refuseGuessing(c, failures)
    // Who it is comes first: the audit names whoever was refused as well.
    principal = guard(c, 'open')
    admit(principal, route.scope)
    const call: Call = {
      query: parse(route.query, c.req.query()),
      body: route.body && parse(route.body, await bodyOf(c)),
      param: (param) => c.req.param(param) ?? '',
      principal,
      signal: c.req.raw.signal,
      lastEventId: Number(c.req.header('last-event-id') ?? 0) || 0,
      audited: (more) => void (facts = more),
      session: sessionOf(c, options.secure),
      require: (scope) => principal && refuseBeyond(principal, scope),
    } as Call
    const handler = options.handlers[name] as (call: Call) => Promise<unknown>
    const response = respond(c, route, await handler(call))
    outcome = response.status
    return response
  } catch (error) {
    outcome = problemOf(error).status
    if (name === 'signIn' && error instanceof NotSignedIn) failures.take(addressOf(c))
    throw error
  } finally {
    if (route.method !== 'GET') {
      const { kind, operation } = facts
      options.audit({
        at: options.clock().toISOString(),
        by: principal?.name ?? 'nobody',
        address: addressOf(c),
        action: `${route.method} ${c.req.path}${kind === undefined ? '' : ` ${kind}`}`,
        outcome,
        ...(operation !== undefined && { operation }),
      })
    }
  }
}

function respond(c: Context, { stream, status }: Route, value: unknown): Response {
  c.header('Cache-Control', 'no-store')
  if (stream === undefined) return c.json(value as object, status ?? 200)
  if (value === undefined) return c.body(null, 204)
  c.header('Content-Type', stream === 'events' ? 'text/event-stream' : 'application/x-ndjson')
  // nginx would keep events back until its buffer is full.
  c.header('X-Accel-Buffering', 'no')
  return c.body(value as Stream)
}

async function bodyOf(c: Context): Promise<unknown> {
  if (!/^application\/json\b/.test(c.req.header('content-type') ?? ''))
    throw new PermafrostError('USAGE', 'the request is not JSON', { hint: 'Content-Type: application/json' })
  try {
    return await c.req.json()
  } catch (error) {
    if (error instanceof PermafrostError) throw error
    throw new PermafrostError('USAGE', 'the request is not JSON', { cause: error })
  }
}

function parse(schema: z.ZodType | undefined, value: unknown): unknown {
  if (!schema) return undefined
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  const problems = parsed.error.issues.map(({ path, message }) => `${path.join('.') || 'the request'}: ${message}`)
  throw new PermafrostError('USAGE', problems[0] ?? 'the request is wrong', { detail: { problems } })
}

function sessionOf(c: Context, secure: boolean): Call['session'] {
  const shape = { path: '/', httpOnly: true, sameSite: 'Strict', secure } as const
  return {
    id: getCookie(c, COOKIE),
    set: (id, expires) => setCookie(c, COOKIE, id, { ...shape, expires: new Date(expires) }),
    clear: () => void deleteCookie(c, COOKIE, shape),
  }
}
