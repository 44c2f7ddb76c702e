import { PermafrostError } from '../core/errors.ts'
import { withLayers } from './layers.ts'
import type { LayerOptions } from './layers.ts'
import { parseLocation } from './location.ts'
import type { Credentials, Location } from './location.ts'
import type { Storage } from './storage.ts'

export interface AdapterContext {
  readonly credentials: Credentials
  readonly clock: () => Date
}

/** Makes the storage of a location, without what is common to all of them. */
export type OpenAdapter = (location: Location, context: AdapterContext) => Promise<Storage>

/** Adapters by the scheme of their locations, each imported when it is needed. */
const ADAPTERS: Readonly<Record<string, () => Promise<OpenAdapter>>> = {
  file: async () => (await import('./open-file.ts')).openFile,
  s3: async () => (await import('./open-s3.ts')).openS3,
  gs: async () => (await import('./open-gcs.ts')).openGcs,
  az: async () => (await import('./open-azure.ts')).openAzure,
  sftp: async () => (await import('./open-sftp.ts')).openSftpLocation,
  ftp: async () => (await import('./open-ftp.ts')).openFtpLocation,
  ftps: async () => (await import('./open-ftp.ts')).openFtpLocation,
  webdav: async () => (await import('./open-webdav.ts')).openWebdav,
  webdavs: async () => (await import('./open-webdav.ts')).openWebdav,
  rclone: async () => (await import('./open-rclone.ts')).openRclone,
}

export interface OpenStorageOptions extends LayerOptions {
  readonly credentials?: Credentials | undefined
}

/**
 * The storage at a location, with what no vendor's library gets right above it: calls that stall are given up, calls that
 * failed are tried again, and no more is asked of the store than it can bear or than the limits allow.
 *
 * @param text `s3://bucket/prefix?region=eu-west-1`; docs/locations.md has them all
 * @throws CONFIG_INVALID when no adapter serves it, or an option or credential is wrong
 */
export async function openStorage(text: string, options: OpenStorageOptions): Promise<Storage> {
  const location = parseLocation(text)
  const adapter = ADAPTERS[location.scheme]
  if (!adapter) {
    const hint = `use one of ${Object.keys(ADAPTERS).join(', ')}`
    throw new PermafrostError('CONFIG_INVALID', `repository locations of kind ${location.scheme}:// are not served`, {
      hint,
    })
  }
  const open = await adapter()
  return withLayers(await open(location, { credentials: options.credentials ?? {}, clock: options.clock }), options)
}
