import { z } from 'zod'
import { PermafrostError } from '../core/errors.ts'
import { parseDuration } from '../core/units.ts'
import { keyPrefix } from './key-prefix.ts'
import { credentialsOf, HTTP_OPTIONS, optionsOf, yesOrNo } from './location.ts'
import type { OpenAdapter } from './open.ts'
import { s3Client } from './s3-client.ts'
import { s3Storage } from './s3.ts'
import type { S3PutOptions } from './s3.ts'
import { storageClass } from './storage-class.ts'

const duration = z.string().transform((text, ctx) => {
  const seconds = parseDuration(text)
  if (seconds !== undefined) return seconds * 1000
  ctx.addIssue({ code: 'custom', message: `${text} is not a duration: write 30d` })
  return z.NEVER
})

const OPTIONS = z.object({
  ...HTTP_OPTIONS,
  region: z.string().optional(),
  /** `https://host:port` of a store that is not Amazon's. */
  endpoint: z.url().optional(),
  'path-style': yesOrNo.optional(),
  profile: z.string().optional(),
  role: z.string().optional(),
  'external-id': z.string().optional(),
  sse: z.enum(['AES256', 'aws:kms', 'aws:kms:dsse']).optional(),
  'kms-key': z.string().optional(),
  class: storageClass('glacier', 'deep_archive'),
  /** `team:ops,env:prod` */
  tags: z.string().optional(),
  lock: z.enum(['governance', 'compliance']).optional(),
  /** How long each object is locked: `30d`. */
  retain: duration.optional(),
  hold: yesOrNo.optional(),
  'requester-pays': yesOrNo.optional(),
  /** `no`: the store ignores If-None-Match. */
  conditional: yesOrNo.default(true),
  connections: z.coerce.number().int().min(1).max(256).default(16),
})

const CREDENTIALS = z.object({
  'access-key-id': z.string().optional(),
  'secret-access-key': z.string().optional(),
  'session-token': z.string().optional(),
  /** 32 bytes in base64: SSE-C. */
  'customer-key': z.string().optional(),
})

/** `s3://bucket/prefix?region=…` */
export const openS3: OpenAdapter = async (location, { credentials, clock }) => {
  const options = optionsOf(location, OPTIONS)
  const secrets = credentialsOf(location, credentials, CREDENTIALS)
  const { 'access-key-id': accessKeyId, 'secret-access-key': secretAccessKey, 'session-token': sessionToken } = secrets
  if ((accessKeyId === undefined) !== (secretAccessKey === undefined))
    throw new PermafrostError('CONFIG_INVALID', `${location.printed} has only one half of its credentials`, {
      hint: 'set both access-key-id and secret-access-key in repository.credentials',
    })
  if ((options.lock === undefined) !== (options.retain === undefined))
    throw new PermafrostError('CONFIG_INVALID', `${location.printed}: lock and retain go together`, {
      hint: 'write ?lock=compliance&retain=30d',
    })
  const client = await s3Client({
    ...options,
    pathStyle: options['path-style'],
    externalId: options['external-id'],
    ...(accessKeyId !== undefined &&
      secretAccessKey !== undefined && {
        credentials: { accessKeyId, secretAccessKey, ...(sessionToken !== undefined && { sessionToken }) },
      }),
  })
  const customerKey = secrets['customer-key']
  return s3Storage({
    client,
    location: location.printed,
    temporary: sessionToken !== undefined,
    bucket: location.host,
    keys: keyPrefix(location.path),
    put: putOptions(options),
    customerKey:
      customerKey === undefined ? undefined : { SSECustomerAlgorithm: 'AES256', SSECustomerKey: customerKey },
    payer: options['requester-pays'] ? { RequestPayer: 'requester' } : undefined,
    conditional: options.conditional,
    connections: options.connections,
    clock,
  })
}

function putOptions(options: z.infer<typeof OPTIONS>): S3PutOptions {
  const { sse, class: StorageClass, tags, lock, retain, hold } = options
  return {
    ...(sse !== undefined && { ServerSideEncryption: sse }),
    ...(options['kms-key'] !== undefined && { SSEKMSKeyId: options['kms-key'] }),
    ...(StorageClass !== undefined && { StorageClass: StorageClass as NonNullable<S3PutOptions['StorageClass']> }),
    ...(tags !== undefined && { Tagging: new URLSearchParams(tags.split(',').map(tagOf)).toString() }),
    ...(lock !== undefined && { ObjectLockMode: lock === 'compliance' ? 'COMPLIANCE' : 'GOVERNANCE', retain }),
    ...(hold && { ObjectLockLegalHoldStatus: 'ON' }),
  }
}

function tagOf(text: string): [name: string, value: string] {
  const [name = '', ...value] = text.split(':')
  return [name, value.join(':')]
}
