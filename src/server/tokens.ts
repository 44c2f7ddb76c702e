import { createHash, timingSafeEqual } from 'node:crypto'
import { PermafrostError } from '../core/errors.ts'
import { SCOPES } from './contract/shapes.ts'
import type { Scope } from './contract/shapes.ts'

/** A line of the tokens file: who, what it may do, and the SHA-256 of the token. */
export interface TokenEntry {
  readonly name: string
  readonly scope: Scope
  readonly digest: string
}

const LINE = /^([\w.@-]{1,100})\s+(read|operate|admin)\s+sha256:([0-9a-f]{64})$/

/**
 * A new token. It has 256 random bits, so a plain hash of it tells nothing, and needs no slowing down.
 *
 * @param random 32 bytes
 */
export function makeToken(random: Uint8Array): string {
  return `permafrost_${Buffer.from(random).toString('base64url')}`
}

/** The line that lets a token in. */
export function tokenLine(name: string, scope: Scope, token: string): string {
  const line = `${name} ${scope} sha256:${digestOf(token)}`
  if (LINE.test(line)) return line
  throw new PermafrostError('USAGE', `${name} is no name of a token`, { hint: 'letters, digits, . @ _ -' })
}

/** @throws CONFIG_INVALID naming the line, and never what it holds */
export function parseTokens(text: string): readonly TokenEntry[] {
  return text.split('\n').flatMap((raw, index): readonly TokenEntry[] => {
    const line = raw.trim()
    if (line === '' || line.startsWith('#')) return []
    const [, name, scope, digest] = LINE.exec(line) ?? []
    if (name !== undefined && digest !== undefined)
      return [{ name, scope: SCOPES.find((known) => known === scope) ?? 'read', digest }]
    throw new PermafrostError('CONFIG_INVALID', `agent.tokens: line ${index + 1} is not a token`, {
      hint: 'permafrost agent token add <name> --scope read',
    })
  })
}

/** The entry of a token. Every entry is compared, each in constant time: how long it takes tells nothing. */
export function findToken(tokens: readonly TokenEntry[], token: string): TokenEntry | undefined {
  const given = Buffer.from(digestOf(token), 'hex')
  let found: TokenEntry | undefined
  for (const entry of tokens) if (timingSafeEqual(given, Buffer.from(entry.digest, 'hex'))) found = entry
  return found
}

export function digestOf(secret: string): string {
  return createHash('sha256').update(secret).digest('hex')
}
