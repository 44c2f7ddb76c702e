import { Client } from 'basic-ftp'
import type { Connection } from './connections.ts'
import { ftpError } from './ftp-error.ts'
import type { CallOptions } from './storage.ts'

export interface FtpOptions {
  readonly host: string
  readonly port: number
  readonly user: string
  readonly password: string
  /** The directory of the repository: absolute, or `/~/…` below the one that the server starts in. */
  readonly path: string
  /** `explicit` starts in the clear and upgrades before the login (AUTH TLS); `implicit` is TLS from the first byte (port 990). */
  readonly tls: 'none' | 'explicit' | 'implicit'
  /** The certificate of an authority to trust instead of the system's, as PEM. */
  readonly ca?: string | undefined
}

/** A control connection that has logged in. */
export interface FtpSession extends Connection {
  readonly client: Client
  /** The directory of the repository, absolute. */
  readonly root: string
}

/** The layer above gives up what stalls long before; this ends what it left alone. */
const FORGOTTEN = 600_000

/** Connect and log in. */
export async function openFtp(options: FtpOptions, { signal }: CallOptions): Promise<FtpSession> {
  const client = new Client(FORGOTTEN)
  const giveUp = (): void => client.close()
  signal?.addEventListener('abort', giveUp)
  try {
    await client.access({
      host: options.host,
      port: options.port,
      user: options.user,
      password: options.password,
      secure: options.tls === 'implicit' ? 'implicit' : options.tls === 'explicit',
      ...(options.ca !== undefined && { secureOptions: { ca: options.ca } }),
    })
    return {
      client,
      root: await rootOf(options.path, client),
      get alive() {
        return !client.closed
      },
      hold: (inUse) => {
        if (inUse) client.ftp.socket.ref()
        else client.ftp.socket.unref()
      },
      close: () => client.close(),
    }
  } catch (error) {
    client.close()
    throw ftpError(error, `log in as ${options.user}`, ftpLocation(options))
  } finally {
    signal?.removeEventListener('abort', giveUp)
  }
}

/** For messages: neither user nor password. */
export function ftpLocation({ host, port, path, tls }: Pick<FtpOptions, 'host' | 'port' | 'path' | 'tls'>): string {
  const usual = tls === 'implicit' ? 990 : 21
  const at = `${host.includes(':') ? `[${host}]` : host}${port === usual ? '' : `:${port}`}`
  return `${tls === 'none' ? 'ftp' : 'ftps'}://${at}${path}`
}

async function rootOf(path: string, client: Client): Promise<string> {
  const trimmed = path.replace(/\/+$/, '')
  if (trimmed !== '/~' && !trimmed.startsWith('/~/')) return trimmed
  return (await client.pwd()).replace(/\/+$/, '') + trimmed.slice(2)
}
