import type { Stats } from 'ssh2'
import { STATUS, statusOf } from './sftp-error.ts'
import type { SftpSession } from './sftp-session.ts'
import type { CallOptions, Range } from './storage.ts'

/** 32 requests of 128 KiB on the way: 4 MiB in flight keep a line of 1 Gbit/s and 30 ms full. */
const LANES = 32
const CHUNK = 128 * 1024

/** Write a new file and make it durable, where the server offers that. */
export async function writeFile(
  session: SftpSession,
  path: string,
  { body, onBytes }: Pick<CallOptions, 'onBytes'> & { readonly body: Uint8Array },
): Promise<void> {
  const file = await session.call<Buffer>((sftp, done) => sftp.open(path, 'wx', 0o600, done))
  try {
    const bytes = Buffer.from(body.buffer, body.byteOffset, body.length)
    await pipelined(
      body.length,
      ({ offset, length }) => session.call((sftp, done) => sftp.write(file, bytes, offset, length, offset, done)),
      ({ offset, length }) => onBytes?.(body.subarray(offset, offset + length)),
    )
    await optional(session.call((sftp, done) => sftp.ext_openssh_fsync(file, done)))
  } finally {
    await session.call((sftp, done) => sftp.close(file, done))
  }
}

/** A file's bytes, or a range of them; `undefined` when there is no such file. */
export async function readFile(
  session: SftpSession,
  path: string,
  { range, onBytes }: Pick<CallOptions, 'onBytes'> & { readonly range: Range | undefined },
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const file = await ifThere(session.call<Buffer>((sftp, done) => sftp.open(path, 'r', done)))
  if (!file) return undefined
  try {
    const { size } = await session.call<Stats>((sftp, done) => sftp.fstat(file, done))
    const offset = Math.min(range?.offset ?? 0, size)
    const length = Math.min(range?.length ?? size, size - offset)
    return await readRange(session, file, { offset, length, onBytes })
  } finally {
    await session.call((sftp, done) => sftp.close(file, done))
  }
}

/** The value, or nothing when there is no such file. */
export async function ifThere<T>(work: Promise<T>): Promise<T | undefined> {
  return work.catch((error: unknown) => {
    if (statusOf(error) !== STATUS.noSuchFile) throw error
    return undefined
  })
}

/** Whether a request that not every server knows was carried out; ssh2 throws an error without a code for those not offered. */
export async function optional(work: Promise<void>, ...tolerated: readonly number[]): Promise<boolean> {
  try {
    await work
    return true
  } catch (error) {
    const status = statusOf(error)
    const unknown = error instanceof Error && error.message.startsWith('Server does not support')
    if (unknown || status === STATUS.unsupported || (status !== undefined && tolerated.includes(status))) return false
    throw error
  }
}

async function readRange(
  session: SftpSession,
  file: Buffer,
  { offset, length, onBytes }: Range & Pick<CallOptions, 'onBytes'>,
) {
  const bytes = new Uint8Array(length)
  const buffer = Buffer.from(bytes.buffer)
  let end = length
  const read = async (stretch: Range): Promise<void> => {
    // A server may answer with fewer bytes than it was asked for.
    for (let at = stretch.offset; at < stretch.offset + stretch.length;) {
      const left = stretch.offset + stretch.length - at
      const count = await session.call<number>((sftp, done) => sftp.read(file, buffer, at, left, offset + at, done))
      if (count === 0) return void (end = Math.min(end, at))
      at += count
    }
  }
  await pipelined(length, read, (stretch) => onBytes?.(bytes.subarray(stretch.offset, stretch.offset + stretch.length)))
  return end === length ? bytes : bytes.slice(0, end)
}

/**
 * Many requests on their way at a time; what is done is reported in order. After a failure no more are sent, and all answers
 * are awaited before it is thrown: the server gives the handle of a closed file to the next one.
 */
async function pipelined(
  length: number,
  send: (stretch: Range) => Promise<void>,
  report: (stretch: Range) => void,
): Promise<void> {
  let next = 0
  let reported = 0
  const sent = new Set<number>()
  const stretchAt = (offset: number): Range => ({ offset, length: Math.min(CHUNK, length - offset) })
  const lane = async (): Promise<void> => {
    while (next < length) {
      const offset = next
      next += CHUNK
      try {
        await send(stretchAt(offset))
        sent.add(offset)
        for (; sent.delete(reported); reported += CHUNK) report(stretchAt(reported))
      } catch (error) {
        next = length
        throw error
      }
    }
  }
  const ends = await Promise.allSettled(Array.from({ length: Math.min(LANES, Math.ceil(length / CHUNK)) }, lane))
  const failed = ends.find((end) => end.status === 'rejected')
  if (failed) throw failed.reason
}
