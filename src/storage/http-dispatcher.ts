import { readFileSync } from 'node:fs'
import { EnvHttpProxyAgent, ProxyAgent } from 'undici'
import type { Dispatcher } from 'undici'
import { PermafrostError } from '../core/errors.ts'

export interface HttpOptions {
  /** A file with the certificate of an authority to trust instead of the system's. */
  readonly ca?: string | undefined
  readonly proxy?: string | undefined
  readonly connections: number
}

/** The layer above gives up what stalls long before; this ends what it left alone. */
const FORGOTTEN = 600_000

/** Connections for an adapter over HTTP. A proxy of the environment counts when none is given. */
export function httpDispatcher({ ca, proxy, connections }: HttpOptions): Dispatcher {
  const trust = ca === undefined ? {} : { ca: readAuthority(ca) }
  const options = {
    connections,
    connect: { timeout: 20_000, ...trust },
    headersTimeout: FORGOTTEN,
    bodyTimeout: FORGOTTEN,
    requestTls: trust,
  }
  return proxy === undefined ? new EnvHttpProxyAgent(options) : new ProxyAgent({ ...options, uri: proxy })
}

/** @throws CONFIG_INVALID when it cannot be read */
export function readAuthority(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new PermafrostError('CONFIG_INVALID', `the certificate ${file} cannot be read`, { cause: error })
  }
}
