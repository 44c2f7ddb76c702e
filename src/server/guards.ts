import { getConnInfo } from '@hono/node-server/conninfo'
import type { Context, MiddlewareHandler } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { secureHeaders } from 'hono/secure-headers'
import { PermafrostError } from '../core/errors.ts'
import { createBucket } from './bucket.ts'

/** Bytes. The largest request is an SQL text. */
const MOST_BODY = 256 * 1024
/** A console with all its tabs asks far less; a loop that ran wild asks more. */
const REQUESTS = { capacity: 200, perSecond: 50 }

/** Nothing from elsewhere, nothing inline, no frame. */
export const headers: MiddlewareHandler = secureHeaders({
  contentSecurityPolicy: {
    defaultSrc: ["'none'"],
    scriptSrc: ["'self'"],
    styleSrc: ["'self'"],
    imgSrc: ["'self'", 'data:'],
    fontSrc: ["'self'"],
    connectSrc: ["'self'"],
    formAction: ["'self'"],
    baseUri: ["'none'"],
    frameAncestors: ["'none'"],
  },
  xFrameOptions: 'DENY',
  referrerPolicy: 'no-referrer',
  crossOriginResourcePolicy: 'same-origin',
})

/** So many requests by one address. */
export function rateLimit(clock: () => Date): MiddlewareHandler {
  const bucket = createBucket(REQUESTS, clock)
  return async (c, next) => {
    if (!bucket.take(addressOf(c)))
      throw new PermafrostError('TOO_MANY', 'too many requests', { hint: 'wait a second' })
    await next()
  }
}

export const bodySize: MiddlewareHandler = bodyLimit({
  maxSize: MOST_BODY,
  onError: () => {
    throw new PermafrostError('USAGE', `a request holds at most ${MOST_BODY} bytes`)
  },
})

/**
 * Changes come from our own pages, or from no page at all. A browser says where a request comes from; what it sends without
 * asking (forms) is no JSON.
 */
export const sameOrigin: MiddlewareHandler = async (c, next) => {
  if (c.req.method !== 'GET' && c.req.method !== 'HEAD') {
    const origin = c.req.header('origin')
    const site = c.req.header('sec-fetch-site')
    const isOurs = origin === undefined || (URL.canParse(origin) && new URL(origin).host === c.req.header('host'))
    if (!isOurs || (site !== undefined && site !== 'same-origin' && site !== 'none'))
      throw new PermafrostError('FORBIDDEN', 'a change that another site asked for')
  }
  await next()
}

const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d+)?$/i

/**
 * Where nobody has to sign in, the name by which the agent was reached must be the loopback's: a site whose name is made to
 * point here (DNS rebinding) would count as ours.
 */
export function loopbackName(isOpen: () => boolean): MiddlewareHandler {
  return async (c, next) => {
    if (isOpen() && !LOOPBACK.test(c.req.header('host') ?? ''))
      throw new PermafrostError('FORBIDDEN', 'without tokens, the agent answers on the loopback’s own names only')
    await next()
  }
}

/** Is this an address that only this machine reaches? */
export function isLoopback(host: string): boolean {
  return LOOPBACK.test(host.includes(':') && !host.startsWith('[') ? `[${host}]` : host)
}

export function addressOf(c: Context): string {
  return getConnInfo(c).remote.address ?? 'unknown'
}
