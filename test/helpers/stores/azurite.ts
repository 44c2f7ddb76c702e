import { createRequire } from 'node:module'
import { BlobServiceClient, StorageSharedKeyCredential } from '@azure/storage-blob'
import { freePort } from '../../../src/engine/free-port.ts'
import type { Certificate } from './certificate.ts'
import { startServer } from './server-process.ts'

export interface Azurite extends AsyncDisposable {
  readonly port: number
  readonly endpoint: string
  readonly account: string
  /** Of the account: everybody's Azurite has the same. */
  readonly key: string
  /** Its Blob service, as the account. */
  readonly service: BlobServiceClient
}

const ACCOUNT = 'devstoreaccount1'
const KEY = 'Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=='

/** Start Microsoft's own emulator of Azure's Blob service, in memory, with a container `backups`; over TLS with a certificate. */
export async function startAzurite(certificate?: Certificate): Promise<Azurite> {
  const program = createRequire(import.meta.url).resolve('azurite/dist/src/blob/main.js')
  const port = await freePort()
  const memory = ['--inMemoryPersistence', '--extentMemoryLimit', '8192']
  const tls = certificate ? ['--cert', certificate.certificateFile, '--key', certificate.keyFile] : []
  const args = ['--silent', '--disableTelemetry', '--skipApiVersionCheck', ...memory, ...tls]
  // As whoever runs the tests: others may not read the packages.
  const options = { port, asUser: false }
  const server = await startServer(process.execPath, [program, ...args, '--blobPort', String(port)], options)
  const endpoint = `${certificate ? 'https' : 'http'}://127.0.0.1:${port}/${ACCOUNT}`
  const http = {
    retryOptions: { maxTries: 1 },
    ...(certificate && { tlsOptions: { ca: certificate.certificate } }),
  }
  const service = new BlobServiceClient(endpoint, new StorageSharedKeyCredential(ACCOUNT, KEY), http)
  await service.getContainerClient('backups').createIfNotExists()
  return {
    port,
    endpoint,
    account: ACCOUNT,
    key: KEY,
    service,
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  }
}
