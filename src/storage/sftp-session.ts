import { createConnection } from 'node:net'
import { Client } from 'ssh2'
import type { ConnectConfig, SFTPWrapper } from 'ssh2'
import type { Connection } from './connections.ts'
import { hostTrust } from './host-trust.ts'
import type { TrustedHost } from './host-trust.ts'
import { networkError } from './network-error.ts'
import type { CallOptions } from './storage.ts'
import { StorageError } from './storage-error.ts'

export interface SftpOptions {
  readonly host: string
  readonly port: number
  readonly user: string
  /** The directory of the repository: absolute, or `/~/…` below the one that the server starts in. */
  readonly path: string
  readonly password?: string | undefined
  /** A private key in OpenSSH's or PEM format, and what unlocks it. */
  readonly privateKey?: string | undefined
  readonly passphrase?: string | undefined
  /** The socket of an SSH agent. */
  readonly agent?: string | undefined
  readonly trust: TrustedHost
}

/** An SSH connection with SFTP on it. */
export interface SftpSession extends Connection {
  /** The directory of the repository, absolute. */
  readonly root: string
  /** One request; fails with what the server answered, or when the connection is gone. */
  call<T = void>(request: (sftp: SFTPWrapper, done: Done<T>) => void): Promise<T>
}

type Done<T> = (error: Error | null | undefined, value?: T) => void

/** The layer above gives up what stalls long before; this ends what it left alone. */
const FORGOTTEN = 600_000
const READY = 20_000

/**
 * Connect, make sure that the host is the known one, and log in. The socket is ours, so that an idle connection does not keep
 * the process running: ssh2's own keepalive would.
 */
export async function openSftp(options: SftpOptions, { signal }: CallOptions): Promise<SftpSession> {
  const location = sftpLocation(options)
  const trust = await hostTrust(options.trust, { ...options, location })
  const client = new Client()
  const waiting = new Set<(error: Error) => void>()
  let refused: StorageError | undefined
  let lost: Error | undefined
  // Without noDelay each small request waits for the acknowledgement of the one before: 40 ms.
  const socket = createConnection({
    host: options.host,
    port: options.port,
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: 15_000,
  })
  const giveUp = (): void => void socket.destroy()
  const end = (error: Error): void => {
    lost ??= error
    socket.destroy()
    for (const fail of waiting) fail(lost)
    waiting.clear()
  }
  // ssh2 leaves requests unanswered when the connection goes, and throws for those that the server does not offer.
  const call = <T>(start: (done: Done<T>) => void): Promise<T> => {
    if (lost) return Promise.reject(lost)
    const { promise, resolve, reject } = Promise.withResolvers<T>()
    waiting.add(reject)
    try {
      start((error, value) => (error ? reject(error) : resolve(value as T)))
    } catch (error) {
      reject(error)
    }
    return promise.finally(() => waiting.delete(reject))
  }

  socket.setTimeout(FORGOTTEN, () => end(new Error('no answer')))
  // An agent that does not answer is followed by the other ways to log in, and those end in an error of their own.
  client.on('error', (error) => error.level !== 'agent' && end(refused ?? error))
  client.on('close', () => end(new Error('the server closed it')))
  client.on('keyboard-interactive', (...[, , , prompts, finish]) => finish(prompts.map(() => options.password ?? '')))
  signal?.addEventListener('abort', giveUp)
  try {
    await call<void>((done) => {
      client.on('ready', () => done(null))
      client.connect({
        ...loginOf(options),
        sock: socket,
        readyTimeout: READY,
        hostVerifier: (key: Buffer) => {
          refused = trust.refusal(key)
          return refused === undefined
        },
        ...(trust.types.length > 0 && { algorithms: { serverHostKey: trust.types } }),
      })
    })
    const sftp = await call<SFTPWrapper>((done) => client.sftp(done))
    const request = <T>(start: (sftp: SFTPWrapper, done: Done<T>) => void) => call<T>((done) => start(sftp, done))
    return {
      root: await rootOf(options.path, request),
      call: request,
      get alive() {
        return lost === undefined
      },
      hold: (inUse) => {
        socket.setTimeout(inUse ? FORGOTTEN : 0)
        if (inUse) socket.ref()
        else socket.unref()
      },
      close: () => end(new Error('given up')),
    }
  } catch (error) {
    end(new Error('given up'))
    throw refused ?? loginError(error, options, location)
  } finally {
    signal?.removeEventListener('abort', giveUp)
  }
}

/** For messages: neither user nor password. */
export function sftpLocation({ host, port, path }: Pick<SftpOptions, 'host' | 'port' | 'path'>): string {
  return `sftp://${host.includes(':') ? `[${host}]` : host}${port === 22 ? '' : `:${port}`}${path}`
}

function loginOf({ user, password, privateKey, passphrase, agent }: SftpOptions): ConnectConfig {
  return {
    username: user,
    tryKeyboard: password !== undefined,
    ...(password !== undefined && { password }),
    ...(privateKey !== undefined && { privateKey }),
    ...(passphrase !== undefined && { passphrase }),
    ...(agent !== undefined && { agent }),
  }
}

async function rootOf(path: string, request: SftpSession['call']): Promise<string> {
  const trimmed = path.replace(/\/+$/, '')
  if (trimmed !== '/~' && !trimmed.startsWith('/~/')) return trimmed
  const home = await request<string>((sftp, done) => sftp.realpath('.', done))
  return home.replace(/\/+$/, '') + trimmed.slice(2)
}

function loginError(error: unknown, options: SftpOptions, location: string): StorageError {
  if (error instanceof StorageError) return error
  const said = error instanceof Error ? error.message : String(error)
  const level = error instanceof Error && 'level' in error ? error.level : undefined
  if (level === 'client-authentication') {
    const tried = [
      ...(options.password === undefined ? [] : ['password']),
      ...(options.privateKey === undefined ? [] : ['key']),
      ...(options.agent === undefined ? [] : ['keys of the agent']),
    ]
    const what = tried.length === 0 ? 'a login without password or key' : `the ${tried.join(' or the ')}`
    return new StorageError('unauthenticated', `${location} does not accept ${what} of ${options.user}`, {
      hint: `see what the server says to: sftp -P ${options.port} ${options.user}@${options.host}`,
      cause: error,
    })
  }
  if (/privatekey/i.test(said))
    return new StorageError('unauthenticated', `the SSH key for ${location} cannot be used: ${said}`, {
      hint: 'give a private key as ssh-keygen makes it, and its passphrase when it has one',
      cause: error,
    })
  return networkError(error, location)
}
