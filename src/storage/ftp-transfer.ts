import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { setTimeout } from 'node:timers/promises'
import { FTPError } from 'basic-ftp'
import type { Client, FTPContext } from 'basic-ftp'
import { isUnavailable } from './ftp-error.ts'
import { inSlices } from './read-body.ts'
import type { CallOptions, Range } from './storage.ts'

type DataSocket = NonNullable<FTPContext['dataSocket']>

/**
 * Send a file. The library's own upload gives up when the data connection breaks; here the answer on the control connection
 * is awaited, as it tells the reason: no right, no space.
 */
export async function upload(
  client: Client,
  path: string,
  { body, onBytes }: Pick<CallOptions, 'onBytes'> & { readonly body: Uint8Array },
): Promise<void> {
  const { ftp } = client
  const data = await openData(client)
  let sending: Promise<void> | undefined
  const send = async (): Promise<void> => {
    // While bytes go, the silence of the control connection means nothing.
    ftp.socket.setTimeout(0)
    await secured(data, body.length === 0)
    await pipeline(Readable.from(inSlices(body, (bytes) => onBytes?.(bytes))), data).catch(() => undefined)
    ftp.socket.setTimeout(ftp.timeout)
  }
  try {
    await ftp.handle(`STOR ${path}`, (answer, task) => {
      if (answer instanceof Error) task.reject(answer)
      else if (answer.code < 200) sending ??= send()
      else task.resolve(answer)
    })
  } finally {
    ftp.dataSocket = undefined
  }
}

/**
 * Receive a file from an offset; `undefined` when there is none. FTP sends to the end of a file: whoever wants less hangs up
 * when it has enough, and the server says so (426), which the library's own download takes for a broken connection.
 *
 * @returns fewer bytes than asked for when the connection ended early
 */
export async function download(
  client: Client,
  path: string,
  { offset, length, onBytes }: Range & Pick<CallOptions, 'onBytes'>,
) {
  const { ftp } = client
  const data = await openData(client)
  if (offset > 0) await client.send(`REST ${offset}`)
  const bytes = new Uint8Array(length)
  let at = 0
  let closed = false
  let settle = (): void => undefined
  data.on('data', (chunk: Buffer) => {
    const wanted = chunk.subarray(0, length - at)
    bytes.set(wanted, at)
    if (wanted.length > 0) onBytes?.(bytes.subarray(at, at + wanted.length))
    at += wanted.length
    if (at === length) data.destroy()
  })
  data.once('close', () => {
    closed = true
    ftp.socket.setTimeout(ftp.timeout)
    settle()
  })
  try {
    // Done when both connections say so.
    await ftp.handle(`RETR ${path}`, (answer, task) => {
      if (answer instanceof Error && !(answer instanceof FTPError && at === length)) return task.reject(answer)
      if (!closed) ftp.socket.setTimeout(0)
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

/** A data connection whose end is not that of the control connection: the library ties them together. */
async function openData(client: Client): Promise<DataSocket> {
  const { ftp } = client
  await client.prepareTransfer(ftp)
  const data = ftp.dataSocket
  if (!data) throw new Error('no data connection')
  for (const event of ['error', 'close']) {
    // The listener added last is the one that closes both.
    const theirs = data.listeners(event).at(-1) as (() => void) | undefined
    if (theirs) data.removeListener(event, theirs)
  }
  data.on('error', () => undefined)
  data.setTimeout(ftp.timeout)
  return data
}

/** Over TLS, wait for the handshake: the server takes part in it only after it has accepted the command. */
async function secured(data: DataSocket, empty: boolean): Promise<void> {
  if (!('getCipher' in data)) return
  if (data.getCipher() === undefined)
    await new Promise<void>((done) => data.once('secureConnect', () => done()).once('close', () => done()))
  // Its own end comes later, and proftpd takes the end of a file for an attack until then. Permafrost writes no empty files.
  if (empty) await setTimeout(100)
}
