import { S3Client } from '@aws-sdk/client-s3'
import type { PutObjectCommand, S3ClientConfig } from '@aws-sdk/client-s3'
import { UndiciHttpHandler } from '@smithy/undici-http-handler'
import { createHash } from 'node:crypto'
import { httpDispatcher } from './http-dispatcher.ts'
import { inSlices } from './read-body.ts'

export interface S3ClientOptions {
  readonly region?: string | undefined
  /** Of a store that is not Amazon's. */
  readonly endpoint?: string | undefined
  readonly pathStyle?: boolean | undefined
  readonly profile?: string | undefined
  /** A role to take, by its ARN. */
  readonly role?: string | undefined
  readonly externalId?: string | undefined
  readonly credentials?: {
    readonly accessKeyId: string
    readonly secretAccessKey: string
    readonly sessionToken?: string
  }
  readonly ca?: string | undefined
  readonly proxy?: string | undefined
  readonly connections: number
}

/**
 * The SDK's client without what the layer above does: one attempt, no timeouts. Without credentials it looks where all of
 * Amazon's tools do: environment, profile, web identity, Pod Identity, container, instance.
 */
export async function s3Client(options: S3ClientOptions): Promise<S3Client> {
  const { endpoint, region = endpoint === undefined ? undefined : 'us-east-1', profile } = options
  const client = new S3Client({
    ...(region !== undefined && { region }),
    ...(profile !== undefined && { profile }),
    ...(await identity(options)),
    ...(endpoint !== undefined && {
      endpoint,
      forcePathStyle: options.pathStyle ?? true,
      // Many compatible stores refuse checksums that they do not know, or keep their framing as data.
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
    }),
    ...(endpoint === undefined && { followRegionRedirects: true }),
    maxAttempts: 1,
    requestHandler: new UndiciHttpHandler({ dispatcher: httpDispatcher(options) }),
  })
  if (endpoint !== undefined) addContentMd5(client)
  return client
}

async function identity(options: S3ClientOptions): Promise<Pick<S3ClientConfig, 'credentials'>> {
  const { credentials, role, externalId, region, profile } = options
  if (role === undefined) return credentials ? { credentials } : {}
  const { fromTemporaryCredentials } = await import('@aws-sdk/credential-providers')
  return {
    credentials: fromTemporaryCredentials({
      ...(credentials && { masterCredentials: credentials }),
      params: {
        RoleArn: role,
        RoleSessionName: 'permafrost',
        ...(externalId !== undefined && { ExternalId: externalId }),
      },
      clientConfig: { ...(region !== undefined && { region }), ...(profile !== undefined && { profile }) },
    }),
  }
}

interface HttpRequest {
  headers: Record<string, string>
  body?: unknown
}

/** Compatible stores insist on Content-MD5 where the SDK sends a CRC32 that they do not know. */
function addContentMd5(client: S3Client): void {
  client.middlewareStack.add(
    (next, { commandName }) =>
      async (args) => {
        const request = args.request as HttpRequest
        if (commandName === 'DeleteObjectsCommand' && typeof request.body === 'string') {
          for (const name of Object.keys(request.headers)) {
            if (/^x-amz-(sdk-)?checksum/i.test(name)) delete request.headers[name]
          }
          request.headers['content-md5'] = createHash('md5').update(request.body).digest('base64')
        }
        return next(args)
      },
    { step: 'build', priority: 'low', name: 'contentMd5' },
  )
}

/** Signs a body with the hash that is known of it: the signature covers it, and the store compares it with what came. */
export function signWith(command: PutObjectCommand, sha256: string): void {
  command.middlewareStack.add(
    (next) => (args) => {
      ;(args.request as HttpRequest).headers['x-amz-content-sha256'] = sha256
      return next(args)
    },
    { step: 'build', priority: 'low', name: 'signWith' },
  )
}

/** Sends the body in slices after it was signed whole, so that an upload that stalls is seen. */
export function reportUpload(command: PutObjectCommand, onBytes: (bytes: Uint8Array) => void): void {
  command.middlewareStack.add(
    (next) => async (args) => {
      const request = args.request as HttpRequest
      if (request.body instanceof Uint8Array && request.body.length > 0) request.body = inSlices(request.body, onBytes)
      return next(args)
    },
    { step: 'finalizeRequest', priority: 'low', name: 'reportUpload' },
  )
}
