import { appendFileSync, copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { freePort } from '../../../src/engine/free-port.ts'
import { fingerprintOf } from '../../../src/storage/known-hosts.ts'
import type { SftpOptions } from '../../../src/storage/sftp-session.ts'
import { removeDirectory, runTool, serverDirectory, startServer } from './server-process.ts'

/** A real OpenSSH server with a user's key and a file of known hosts. */
export interface SftpServer extends AsyncDisposable {
  /** A directory of its own on the server for each call. */
  place(): SftpOptions
  readonly port: number
  readonly directory: string
  readonly knownHosts: string
  /** Of its host key. */
  readonly fingerprint: string
}

/**
 * @param subsystem what serves SFTP
 */
export async function startSshd(subsystem = 'internal-sftp'): Promise<SftpServer> {
  const directory = serverDirectory('sshd')
  const [hostKey, userKey] = [join(directory, 'host-key'), join(directory, 'user-key')]
  for (const key of [hostKey, userKey]) makeKey(key)
  copyFileSync(`${userKey}.pub`, join(directory, 'authorized-keys'))
  const port = await freePort()
  writeFileSync(
    join(directory, 'sshd-config'),
    `Port ${port}
ListenAddress 127.0.0.1
HostKey ${hostKey}
PidFile none
AuthorizedKeysFile ${directory}/authorized-keys
StrictModes no
UsePAM no
PermitRootLogin yes
PasswordAuthentication no
KbdInteractiveAuthentication no
MaxStartups 100
Subsystem sftp ${subsystem}
ForceCommand ${subsystem}
`,
  )
  const knownHosts = join(directory, 'known-hosts')
  writeFileSync(knownHosts, knownHost(port, hostKey))
  mkdirSync(join(directory, 'data'))
  // sshd lets in the user who runs it, and, when that is root, wants this directory of its own.
  const asUser = userInfo().uid !== 0
  if (!asUser) mkdirSync('/run/sshd', { recursive: true })
  const server = await startServer('/usr/sbin/sshd', ['-D', '-e', '-f', join(directory, 'sshd-config')], {
    port,
    asUser,
  })
  let places = 0
  return {
    port,
    directory,
    knownHosts,
    fingerprint: fingerprintOf(Buffer.from(readFileSync(`${hostKey}.pub`, 'utf8').split(' ')[1] ?? '', 'base64')),
    place: () => ({
      host: '127.0.0.1',
      port,
      user: userInfo().username,
      path: `${directory}/data/${places++}/repository`,
      privateKey: readFileSync(userKey, 'utf8'),
      trust: { knownHosts: [knownHosts] },
    }),
    [Symbol.asyncDispose]: async () => {
      await server[Symbol.asyncDispose]()
      removeDirectory(directory)
    },
  }
}

export function makeKey(path: string, ...more: readonly string[]): void {
  runTool('ssh-keygen', '-q', '-t', 'ed25519', '-f', path, '-C', 'test', ...(more.length > 0 ? more : ['-N', '']))
}

/** Let a key in. */
export function authorize({ directory }: SftpServer, keyFile: string): void {
  appendFileSync(join(directory, 'authorized-keys'), readFileSync(`${keyFile}.pub`))
}

/** A line of a file of known hosts. */
export function knownHost(port: number, keyFile: string): string {
  const [type, key] = readFileSync(`${keyFile}.pub`, 'utf8').split(' ')
  return `[127.0.0.1]:${port} ${type} ${key}\n`
}
