import { GoogleAuth, JWT } from 'google-auth-library'
import { z } from 'zod'
import { PermafrostError } from '../core/errors.ts'
import { gcsClient } from './gcs-client.ts'
import { gcsStorage } from './gcs.ts'
import { httpDispatcher } from './http-dispatcher.ts'
import { keyPrefix } from './key-prefix.ts'
import { credentialsOf, HTTP_OPTIONS, optionsOf } from './location.ts'
import type { Location } from './location.ts'
import type { OpenAdapter } from './open.ts'
import { storageClass } from './storage-class.ts'

const OPTIONS = z.object({
  ...HTTP_OPTIONS,
  endpoint: z.url().default('https://storage.googleapis.com'),
  /** CMEK: `projects/…/locations/…/keyRings/…/cryptoKeys/…` */
  'kms-key': z.string().optional(),
  /** All of Google's can be read at once. */
  class: storageClass(),
  connections: z.coerce.number().int().min(1).max(256).default(16),
})

/** The JSON of a service account's key. */
const CREDENTIALS = z.object({ 'service-account': z.string().optional() })

const ACCOUNT = z.object({ client_email: z.string(), private_key: z.string(), private_key_id: z.string().optional() })

const SCOPES = ['https://www.googleapis.com/auth/devstorage.read_write']

/** `gs://bucket/prefix` */
export const openGcs: OpenAdapter = async (location, { credentials }) => {
  const options = optionsOf(location, OPTIONS)
  const account = credentialsOf(location, credentials, CREDENTIALS)['service-account']
  const dispatcher = httpDispatcher(options)
  return gcsStorage({
    send: gcsClient({
      authorize: account === undefined ? ownIdentity() : accountOf(account, location),
      dispatcher,
      endpoint: options.endpoint,
      location: location.printed,
    }),
    location: location.printed,
    bucket: location.host,
    keys: keyPrefix(location.path),
    put: { class: options.class, kmsKey: options['kms-key'] },
    connections: options.connections,
  })
}

/** Where all of Google's tools look: GOOGLE_APPLICATION_CREDENTIALS (a key, or a workload identity), `gcloud`, the machine. */
function ownIdentity(): () => Promise<Headers> {
  const auth = new GoogleAuth({ scopes: SCOPES })
  return () => auth.getRequestHeaders()
}

function accountOf(text: string, location: Location): () => Promise<Headers> {
  const parsed = ACCOUNT.safeParse(tryJson(text))
  if (!parsed.success)
    throw new PermafrostError(
      'CONFIG_INVALID',
      `the credential service-account of ${location.printed} is no key of a service account`,
      { hint: 'give the JSON file of the key: service-account: "${file:/etc/permafrost/gcs-key.json}"' },
    )
  const { client_email: email, private_key: key, private_key_id: keyId } = parsed.data
  const client = new JWT({ email, key, ...(keyId !== undefined && { keyId }), scopes: SCOPES })
  // It signs its own tokens: nobody has to be asked for them.
  client.useJWTAccessWithScope = true
  return () => client.getRequestHeaders()
}

function tryJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // The parser's own message would show some of it.
    return undefined
  }
}
