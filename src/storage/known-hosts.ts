import { createHash, createHmac, timingSafeEqual } from 'node:crypto'

/** A host key in a file of known hosts. */
export interface KnownKey {
  readonly type: string
  readonly key: Buffer
  /** `@revoked`: never to be trusted. */
  readonly revoked: boolean
}

/**
 * The keys that a file in OpenSSH's format (`man sshd`, SSH_KNOWN_HOSTS) lists for a host: plain, hashed, with wildcards and
 * exclusions. Keys of certificate authorities are passed over.
 */
export function knownKeys(file: string, { host, port }: { readonly host: string; readonly port: number }): KnownKey[] {
  const name = port === 22 ? host.toLowerCase() : `[${host.toLowerCase()}]:${port}`
  return file.split(/\r?\n/).flatMap((line) => {
    const fields = line.trim().split(/\s+/)
    const marker = fields[0]?.startsWith('@') ? fields.shift() : undefined
    const [names, type, key] = fields
    if (!names || names.startsWith('#') || !type || !key || marker === '@cert-authority') return []
    return isNamed(name, names) ? [{ type, key: Buffer.from(key, 'base64'), revoked: marker === '@revoked' }] : []
  })
}

/** As `ssh-keygen -l` writes it: `SHA256:…`. */
export function fingerprintOf(key: Buffer): string {
  return `SHA256:${createHash('sha256').update(key).digest('base64').replace(/=+$/, '')}`
}

function isNamed(name: string, names: string): boolean {
  if (names.startsWith('|1|')) return isHashed(name, names)
  const patterns = names.toLowerCase().split(',')
  if (patterns.some((pattern) => pattern.startsWith('!') && matches(name, pattern.slice(1)))) return false
  return patterns.some((pattern) => matches(name, pattern))
}

function isHashed(name: string, names: string): boolean {
  const [, , salt = '', hash = ''] = names.split('|')
  const expected = createHmac('sha1', Buffer.from(salt, 'base64')).update(name).digest()
  const found = Buffer.from(hash, 'base64')
  return found.length === expected.length && timingSafeEqual(found, expected)
}

function matches(name: string, pattern: string): boolean {
  const expression = pattern
    .replaceAll(/[.+^${}()|[\]\\]/g, String.raw`\$&`)
    .replaceAll('*', '.*')
    .replaceAll('?', '.')
  return new RegExp(`^${expression}$`).test(name)
}
