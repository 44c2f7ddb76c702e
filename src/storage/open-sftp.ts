import { existsSync, readFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'
import { credentialsOf, directoryOf, hostOf, optionsOf } from './location.ts'
import type { OpenAdapter } from './open.ts'
import { sftpStorage } from './sftp.ts'

const OPTIONS = z.object({
  /** A file of known hosts instead of the user's and the machine's. */
  'known-hosts': z.string().optional(),
  /** Of the host key: `SHA256:…`. */
  fingerprint: z
    .string()
    .regex(/^SHA256:[A-Za-z0-9+/]{43}$/, { message: 'write it as ssh-keygen -l does: SHA256:…' })
    .optional(),
})

const CREDENTIALS = z.object({
  password: z.string().optional(),
  /** The key itself: `${file:/root/.ssh/id_ed25519}`. */
  'private-key': z.string().optional(),
  passphrase: z.string().optional(),
  /** The socket of an agent: `${env:SSH_AUTH_SOCK}`. */
  agent: z.string().optional(),
})

/** `sftp://user@host/path`. Without credentials the user's own key, as ssh does it. */
export const openSftpLocation: OpenAdapter = async (location, { credentials }) => {
  const { 'known-hosts': file, fingerprint } = optionsOf(location, OPTIONS)
  const secrets = credentialsOf(location, credentials, CREDENTIALS)
  const { username, homedir } = userInfo()
  const knownHosts = file === undefined ? [join(homedir, '.ssh/known_hosts'), '/etc/ssh/ssh_known_hosts'] : [file]
  const given = secrets.password ?? secrets['private-key'] ?? secrets.agent
  return sftpStorage({
    host: hostOf(location),
    port: location.port ?? 22,
    user: location.user ?? username,
    path: directoryOf(location),
    password: secrets.password,
    privateKey: given === undefined ? ownKey(homedir) : secrets['private-key'],
    passphrase: secrets.passphrase,
    agent: secrets.agent,
    trust: fingerprint === undefined ? { knownHosts } : { fingerprint },
  })
}

function ownKey(home: string): string | undefined {
  const names = ['id_ed25519', 'id_ecdsa', 'id_rsa'].map((name) => join(home, '.ssh', name))
  const file = names.find((name) => existsSync(name))
  return file === undefined ? undefined : readFileSync(file, 'utf8')
}
