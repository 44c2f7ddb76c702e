import { Readable } from 'node:stream'
import { FTPError } from 'basic-ftp'
import type { Client } from 'basic-ftp'
import { isUnavailable } from './ftp-error.ts'
import type { Range } from './storage.ts'
import { StorageError } from './storage-error.ts'

const CHUNK = 256 * 1024

/** Upload to a name that is free, and make sure that all of it arrived: to FTP, a connection that broke is the end of a file. */
export async function writeFile(client: Client, path: string, body: Uint8Array): Promise<void> {
  await client.uploadFrom(body.length > 0 ? Readable.from(chunksOf(body)) : nothing(), path)
  const stored = await client.size(path)
  if (stored !== body.length)
    throw new StorageError('broken', `the server kept ${stored} of ${body.length} bytes of ${path}`)
}

/** A file's bytes, or a range of them; `undefined` when there is no such file. */
export async function readFile(
  client: Client,
  path: string,
  range: Range | undefined,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const size = await sizeOf(client, path)
  if (size === undefined) return undefined
  const offset = Math.min(range?.offset ?? 0, size)
  const length = Math.min(range?.length ?? size, size - offset)
  if (length === 0) return new Uint8Array(0)
  const bytes = await download(client, path, { offset, length })
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

/**
 * FTP sends to the end of a file: whoever wants less hangs up when it has enough, and the server says so (426). The library's
 * own download takes that for the end of the connection.
 */
async function download(client: Client, path: string, { offset, length }: Range) {
  const { ftp } = client
  await client.prepareTransfer(ftp)
  const data = ftp.dataSocket
  if (!data) throw new StorageError('broken', `no data connection for ${path}`)
  if (offset > 0) await client.send(`REST ${offset}`)
  const bytes = new Uint8Array(length)
  let at = 0
  let closed = false
  let settle = (): void => undefined
  data.on('data', (chunk: Buffer) => {
    bytes.set(chunk.subarray(0, length - at), at)
    at = Math.min(length, at + chunk.length)
    if (at === length) data.destroy()
  })
  data.once('close', () => {
    closed = true
    settle()
  })
  data.setTimeout(ftp.timeout, () => ftp.closeWithError(new Error('Timeout (data socket)')))
  try {
    // Done when both connections say so. Whatever closes the client rejects the task as well.
    await ftp.handle(`RETR ${path}`, (answer, task) => {
      if (answer instanceof Error && !(answer instanceof FTPError && at === length)) return task.reject(answer)
      // While bytes come, the silence of this connection means nothing.
      ftp.socket.setTimeout(0)
      settle = () => closed && (answer instanceof Error || answer.code >= 200) && task.resolve(answer)
      settle()
    })
  } catch (error) {
    if (isUnavailable(error)) return undefined
    throw error
  } finally {
    ftp.dataSocket = undefined
  }
  return at === length ? bytes : bytes.slice(0, at)
}

function* chunksOf(body: Uint8Array): Generator<Buffer> {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.length)
  for (let at = 0; at < bytes.length; at += CHUNK) yield bytes.subarray(at, at + CHUNK)
}

/** Over TLS 1.3 a server may still be in the handshake when we are done with it, and proftpd takes an end in it for an attack. */
function nothing(): Readable {
  const stream = new Readable({ read: () => void setTimeout(() => stream.push(null), 20) })
  return stream
}
