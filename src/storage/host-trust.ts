import { readFile } from 'node:fs/promises'
import type { ServerHostKeyAlgorithm } from 'ssh2'
import { isErrno } from '../core/errors.ts'
import { fingerprintOf, knownKeys } from './known-hosts.ts'
import { StorageError } from './storage-error.ts'

/** What makes a host trusted: files of known hosts, or the fingerprint of its key (`SHA256:…`). */
export type TrustedHost = { readonly knownHosts: readonly string[] } | { readonly fingerprint: string }

export interface HostTrust {
  /** Why this key of the host is not trusted; `undefined` when it is. */
  refusal(key: Buffer): StorageError | undefined
  /** The types of key to ask for, as a host has one of each type; none to leave it to the host. */
  readonly types: ServerHostKeyAlgorithm[]
}

interface Host {
  readonly host: string
  readonly port: number
  readonly location: string
}

/** Whether the key that a host shows is the one that is known. There is no way to trust any key. */
export async function hostTrust(trusted: TrustedHost, host: Host): Promise<HostTrust> {
  if ('fingerprint' in trusted) return pinned(trusted.fingerprint, host)
  const files = await Promise.all(trusted.knownHosts.map(readIfThere))
  const known = files.flatMap((file) => knownKeys(file, host))
  return {
    types: known.flatMap(({ type }) => algorithmsOf(type)),
    refusal: (key) => {
      const same = known.filter((one) => one.key.equals(key))
      if (same.some(({ revoked }) => revoked)) return changed(key, host, 'it is marked as revoked: do not use it')
      if (same.length > 0) return undefined
      return known.length > 0
        ? changed(key, host, `ssh-keygen -R '${nameOf(host)}', then ssh-keyscan as for a new host`)
        : unknown(key, host, trusted.knownHosts[0])
    },
  }
}

function pinned(fingerprint: string, host: Host): HostTrust {
  const hint = 'give the new one with ?fingerprint='
  return { types: [], refusal: (key) => (fingerprintOf(key) === fingerprint ? undefined : changed(key, host, hint)) }
}

function changed(key: Buffer, { location }: Host, hint: string): StorageError {
  return new StorageError('untrusted', `the host key of ${location} has changed: it shows ${fingerprintOf(key)}`, {
    hint: ['somebody may be between you and the server; when it was set up anew, its operator knows this key:', hint],
  })
}

function unknown(key: Buffer, { location, host, port }: Host, file = '~/.ssh/known_hosts'): StorageError {
  return new StorageError('untrusted', `the host key of ${location} is not known: it shows ${fingerprintOf(key)}`, {
    hint: [
      'compare it with what the operator of the server says, then one of:',
      `add ?fingerprint=${fingerprintOf(key)} to the location`,
      `ssh-keyscan -p ${port} ${host} >> ${file}`,
    ],
  })
}

function algorithmsOf(type: string): ServerHostKeyAlgorithm[] {
  return type === 'ssh-rsa' ? ['rsa-sha2-512', 'rsa-sha2-256', 'ssh-rsa'] : [type as ServerHostKeyAlgorithm]
}

function nameOf({ host, port }: Host): string {
  return port === 22 ? host : `[${host}]:${port}`
}

async function readIfThere(path: string): Promise<string> {
  return readFile(path, 'utf8').catch((error: unknown) => {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return ''
    throw error
  })
}
