import { PermafrostError } from '../core/errors.ts'
import { SCOPES } from './contract/shapes.ts'
import type { Scope } from './contract/shapes.ts'
import { digestOf, findToken } from './tokens.ts'
import type { TokenEntry } from './tokens.ts'

/** Who asks. */
export interface Principal {
  readonly name: string
  readonly scope: Scope
  readonly expires?: string | undefined
}

export interface Credentials {
  /** The header of that name: `Bearer <token>`, or Basic with the token as password. */
  readonly authorization?: string | undefined
  /** The value of the session's cookie. */
  readonly session?: string | undefined
}

export interface Session {
  readonly id: string
  readonly principal: Principal
}

/** Who may come in. Sessions live in memory: when the agent starts again, everybody signs in again. */
export interface Auth {
  /** Whether anybody has to sign in. */
  required(): boolean
  identify(credentials: Credentials): Principal | undefined
  /** Trade a token for a session. */
  signIn(token: string): Session | undefined
  signOut(session: string): void
}

/** Nobody that is known. */
export class NotSignedIn extends PermafrostError {
  constructor(message = 'sign in, or send a token') {
    super('UNAUTHORIZED', message, { hint: 'Authorization: Bearer <token>' })
  }
}

const SESSION_HOURS = 12
/** A bound, should a script sign in for every request. */
const MOST_SESSIONS = 1000

/** Nobody has to sign in where only this machine is listened to and no token is configured. */
const EVERYBODY: Principal = { name: 'local', scope: 'admin' }

export function createAuth({
  tokens,
  clock,
  random,
}: {
  readonly tokens: () => readonly TokenEntry[] | undefined
  readonly clock: () => Date
  readonly random: (size: number) => Uint8Array
}): Auth {
  // Sessions by the hash of their id: what a dump of the memory shows opens nothing.
  const sessions = new Map<string, { readonly token: TokenEntry; readonly expires: Date }>()
  const bySession = (id: string): Principal | undefined => {
    const session = sessions.get(digestOf(id))
    if (!session) return undefined
    // A token that was taken out of the file takes its sessions with it.
    const current = tokens()?.find(({ digest }) => digest === session.token.digest)
    if (current && session.expires > clock()) return principal(current, session.expires)
    sessions.delete(digestOf(id))
    return undefined
  }
  return {
    required: () => tokens() !== undefined,
    identify: ({ authorization, session }) => {
      const known = tokens()
      if (!known) return EVERYBODY
      if (authorization !== undefined) {
        const entry = findToken(known, tokenIn(authorization))
        return entry && principal(entry)
      }
      return session === undefined ? undefined : bySession(session)
    },
    signIn: (token) => {
      const entry = findToken(tokens() ?? [], token)
      if (!entry) return undefined
      const id = Buffer.from(random(32)).toString('base64url')
      const expires = new Date(clock().getTime() + SESSION_HOURS * 3_600_000)
      const [oldest] = sessions.keys()
      if (sessions.size >= MOST_SESSIONS && oldest !== undefined) sessions.delete(oldest)
      sessions.set(digestOf(id), { token: entry, expires })
      return { id, principal: principal(entry, expires) }
    },
    signOut: (session) => void sessions.delete(digestOf(session)),
  }
}

/** May somebody with this scope do what asks for that one? */
export function allows(has: Scope, needed: Scope): boolean {
  return SCOPES.indexOf(has) >= SCOPES.indexOf(needed)
}

function principal({ name, scope }: TokenEntry, expires?: Date): Principal {
  return { name, scope, ...(expires && { expires: expires.toISOString() }) }
}

function tokenIn(authorization: string): string {
  const [, kind = '', value = ''] = /^(\w+)\s+(\S+)$/.exec(authorization.trim()) ?? []
  if (kind.toLowerCase() === 'bearer') return value
  if (kind.toLowerCase() !== 'basic') return ''
  const pair = Buffer.from(value, 'base64').toString()
  return pair.slice(pair.indexOf(':') + 1)
}
