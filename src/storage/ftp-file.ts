import type { Client } from 'basic-ftp'
import { isUnavailable } from './ftp-error.ts'
import { download, upload } from './ftp-transfer.ts'
import type { CallOptions, Range } from './storage.ts'
import { StorageError } from './storage-error.ts'

/** Upload to a name that is free, and make sure that all of it arrived: to FTP, a connection that broke is the end of a file. */
export async function writeFile(
  client: Client,
  path: string,
  content: Pick<CallOptions, 'onBytes'> & { readonly body: Uint8Array },
): Promise<void> {
  await upload(client, path, content)
  const stored = await client.size(path)
  const { length } = content.body
  if (stored !== length) throw new StorageError('broken', `the server kept ${stored} of ${length} bytes of ${path}`)
}

/** A file's bytes, or a range of them; `undefined` when there is no such file. */
export async function readFile(
  client: Client,
  path: string,
  { range, onBytes }: Pick<CallOptions, 'onBytes'> & { readonly range?: Range | undefined },
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const size = await sizeOf(client, path)
  if (size === undefined) return undefined
  const offset = Math.min(range?.offset ?? 0, size)
  const length = Math.min(range?.length ?? size, size - offset)
  if (length === 0) return new Uint8Array(0)
  const bytes = await download(client, path, { offset, length, onBytes })
  if (bytes?.length !== length && bytes)
    throw new StorageError('broken', `the connection ended after ${bytes.length} of ${length} bytes of ${path}`)
  return bytes
}

/** Bytes of a file; `undefined` when there is no such file. */
export async function sizeOf(client: Client, path: string): Promise<number | undefined> {
  return client.size(path).catch((error: unknown) => {
    if (!isUnavailable(error)) throw error
    return undefined
  })
}
