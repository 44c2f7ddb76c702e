import { startAzurite } from '../helpers/stores/azurite.ts'
import { hasCeph, startCeph } from '../helpers/stores/ceph.ts'
import { startGcs } from '../helpers/stores/gcs.ts'
import type { Place } from './scenario.ts'

/** A store of objects for a test. */
export interface Cloud extends AsyncDisposable {
  readonly port: number
  /** A place of its own, through another port if there is a proxy. */
  place(prefix: string, port?: number): Place
}

interface CloudServer {
  readonly scheme: 's3' | 'az' | 'gs'
  readonly start: () => Promise<Cloud>
}

/** Those that this machine has, by what they are called in a sentence. */
export const CLOUDS: readonly (readonly [title: string, server: CloudServer])[] = [
  ...(hasCeph ? ([['S3, by Ceph', { scheme: 's3', start: ceph }]] as const) : []),
  ['Azure, by Azurite', { scheme: 'az', start: azurite }],
  ['Google Cloud Storage, by a server of our own', { scheme: 'gs', start: gcs }],
]

async function ceph(): Promise<Cloud> {
  const server = await startCeph()
  await server.bucket('backups')
  const port = Number(new URL(server.endpoint).port)
  return {
    port,
    place: (prefix, by = port) => ({
      url: `s3://backups/${prefix}?endpoint=${encodeURIComponent(`http://127.0.0.1:${by}`)}`,
      credentials: { ...server.keys },
    }),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  }
}

async function azurite(): Promise<Cloud> {
  const server = await startAzurite()
  return {
    port: server.port,
    place: (prefix, by = server.port) => {
      const endpoint = `http://127.0.0.1:${by}/${server.account}`
      return {
        url: `az://${server.account}/backups/${prefix}?endpoint=${encodeURIComponent(endpoint)}`,
        credentials: { 'account-key': server.key },
      }
    },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  }
}

async function gcs(): Promise<Cloud> {
  const server = await startGcs()
  return {
    port: server.port,
    place: (prefix, by = server.port) => ({
      url: `gs://backups/${prefix}?endpoint=${encodeURIComponent(`http://127.0.0.1:${by}`)}`,
      credentials: { 'service-account': server.account('writer') },
    }),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  }
}
