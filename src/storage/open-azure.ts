import { AnonymousCredential, BlobServiceClient, StorageSharedKeyCredential } from '@azure/storage-blob'
import type { StoragePipelineOptions } from '@azure/storage-blob'
import { z } from 'zod'
import { PermafrostError } from '../core/errors.ts'
import { azureStorage } from './azure.ts'
import { readAuthority } from './http-dispatcher.ts'
import { keyPrefix } from './key-prefix.ts'
import { credentialsOf, HTTP_OPTIONS, optionsOf } from './location.ts'
import type { OpenAdapter } from './open.ts'
import { storageClass } from './storage-class.ts'

const OPTIONS = z.object({
  ...HTTP_OPTIONS,
  /** Another one than the account's in the public cloud: `https://account.blob.core.chinacloudapi.cn`. */
  endpoint: z.url().optional(),
  /** Of a managed identity that is not the machine's only one. */
  'client-id': z.string().optional(),
  'encryption-scope': z.string().optional(),
  tier: storageClass('archive'),
  connections: z.coerce.number().int().min(1).max(256).default(16),
})

const CREDENTIALS = z.object({ 'account-key': z.string().optional(), 'sas-token': z.string().optional() })

/** `az://account/container/prefix` */
export const openAzure: OpenAdapter = async (location, { credentials }) => {
  const options = optionsOf(location, OPTIONS)
  const { endpoint = `https://${location.host}.blob.core.windows.net` } = options
  const secrets = credentialsOf(location, credentials, CREDENTIALS)
  const [container = '', ...prefix] = location.path.replace(/^\/+/, '').split('/')
  if (container === '')
    throw new PermafrostError('CONFIG_INVALID', `the location ${location.printed} names no container`, {
      hint: 'write az://account/container/prefix',
    })
  const sas = secrets['sas-token']?.replace(/^\?/, '')
  const credential = await identity(location.host, secrets, options['client-id'])
  const service = new BlobServiceClient(sas === undefined ? endpoint : `${endpoint}?${sas}`, credential, http(options))
  return azureStorage({
    container: service.getContainerClient(container),
    location: location.printed,
    keys: keyPrefix(prefix.join('/')),
    put: { tier: options.tier, encryptionScope: options['encryption-scope'] },
    connections: options.connections,
  })
}

/** Without a key or a token: the identity of the workload or of the machine, or whom the environment or `az login` name. */
async function identity(account: string, secrets: z.infer<typeof CREDENTIALS>, clientId: string | undefined) {
  const { 'account-key': key, 'sas-token': sas } = secrets
  if (key !== undefined) return new StorageSharedKeyCredential(account, key)
  if (sas !== undefined) return new AnonymousCredential()
  const { DefaultAzureCredential } = await import('@azure/identity')
  return new DefaultAzureCredential({
    ...(clientId !== undefined && { managedIdentityClientId: clientId, workloadIdentityClientId: clientId }),
  })
}

/** One attempt, no timeouts: the layer above has them. */
function http({ ca, proxy }: Pick<z.infer<typeof OPTIONS>, 'ca' | 'proxy'>): StoragePipelineOptions {
  const via = proxy === undefined ? undefined : new URL(proxy)
  return {
    retryOptions: { maxTries: 1 },
    ...(ca !== undefined && { tlsOptions: { ca: readAuthority(ca) } }),
    ...(via && {
      proxyOptions: {
        host: `${via.protocol}//${via.hostname}`,
        port: Number(via.port || (via.protocol === 'https:' ? 443 : 80)),
        ...(via.username !== '' && {
          username: decodeURIComponent(via.username),
          password: decodeURIComponent(via.password),
        }),
      },
    }),
  }
}
