import { spawn } from 'node:child_process'
import { connect } from 'node:http2'
import type { ClientHttp2Session, IncomingHttpHeaders, IncomingHttpStatusHeader } from 'node:http2'
import { Duplex, Readable } from 'node:stream'
import { isErrno, PermafrostError } from '../core/errors.ts'
import { inSlices } from './read-body.ts'
import type { CallOptions } from './storage.ts'
import { StorageError } from './storage-error.ts'

export interface RcloneRequest extends CallOptions {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'DELETE'
  readonly key: string
  readonly range?: string | undefined
  readonly body?: Uint8Array
}

export interface RcloneAnswer {
  readonly status: number
  /** Of the object, as its headers say. */
  readonly size: number
  readonly body: Uint8Array<ArrayBuffer>
}

export interface Rclone {
  send(asked: RcloneRequest): Promise<RcloneAnswer>
  /** What `rclone lsjson` says of a directory; nothing when it is not there. */
  list(directory: string, call: CallOptions): Promise<string | undefined>
}

/** rclone's own code for a directory that is not there. */
const NO_SUCH_DIRECTORY = 3

/**
 * rclone as a child: `serve restic --stdio` speaks HTTP/2 over its standard input and output. Nobody else can reach it, and
 * it ends with us in any case, as the pipe does. Its listings leave out directories, so those are asked of `lsjson`.
 *
 * @param remote `name:path`
 */
export function rclone(remote: string): Rclone {
  let running: { readonly session: ClientHttp2Session; readonly hold: (change: 1 | -1) => void } | undefined

  const serve = () => {
    const child = spawn('rclone', ['serve', 'restic', '--stdio', remote], { stdio: ['pipe', 'pipe', 'ignore'] })
    const pipe = Duplex.from({ readable: child.stdout, writable: child.stdin })
    const session = connect('http://rclone', { createConnection: () => pipe })
    const end = (error: Error): void => {
      if (running?.session === session) running = undefined
      session.destroy(error)
    }
    // Requests on their way say what happened.
    session.on('error', () => undefined)
    child.once('error', end).once('exit', () => end(new Error('rclone ended')))
    let inUse = 0
    return {
      session,
      // The pipes are sockets: idle ones do not keep the process running.
      hold: (change: 1 | -1) => {
        inUse += change
        for (const one of [child, child.stdin, child.stdout] as unknown as readonly NodeJS.RefCounted[])
          if (inUse > 0) one.ref()
          else one.unref()
      },
    }
  }

  return {
    send: async (asked) => {
      asked.signal?.throwIfAborted()
      const { session, hold } = (running ??= serve())
      hold(1)
      try {
        return await request(session, asked)
      } catch (error) {
        asked.signal?.throwIfAborted()
        throw rcloneError(error, remote)
      } finally {
        hold(-1)
      }
    },
    list: async (directory, { signal }) => {
      signal?.throwIfAborted()
      const { status, output } = await run(
        ['lsjson', '-R', '--files-only', '--no-mimetype', at(remote, directory)],
        signal,
      )
      if (status === 0) return output
      if (status === NO_SUCH_DIRECTORY) return undefined
      throw rcloneError(new Error(`rclone lsjson ended with ${status}`), remote)
    },
  }

  function run(args: readonly string[], signal: AbortSignal | undefined) {
    return new Promise<{ readonly status: number | null; readonly output: string }>((done, fail) => {
      const child = spawn('rclone', args, { stdio: ['ignore', 'pipe', 'ignore'], ...(signal && { signal }) })
      const chunks: Buffer[] = []
      child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk))
      child.once('error', (error) => fail(signal?.aborted ? (signal.reason as Error) : rcloneError(error, remote)))
      child.once('close', (status) => done({ status, output: Buffer.concat(chunks).toString() }))
    })
  }
}

function request(
  session: ClientHttp2Session,
  { method, key, range, body, signal, onBytes }: RcloneRequest,
): Promise<RcloneAnswer> {
  return new Promise((done, fail) => {
    const headers = { ':method': method, ':path': `/${key}`, ...(range !== undefined && { range }) }
    const sized = body ? { ...headers, 'content-length': body.length } : headers
    const stream = session.request(sized, { endStream: !body, ...(signal && { signal }) })
    const chunks: Buffer[] = []
    let answer: IncomingHttpHeaders & IncomingHttpStatusHeader = {}
    stream.on('response', (received) => (answer = received))
    stream.on('data', (chunk: Buffer) => {
      chunks.push(chunk)
      if (answer[':status'] === (range === undefined ? 200 : 206)) onBytes?.(chunk)
    })
    stream.on('error', fail)
    stream.on('close', () => fail(new Error('the connection ended')))
    stream.on('end', () => {
      const whole = Buffer.concat(chunks)
      const size = Number(answer['content-length'] ?? whole.length)
      if (method === 'GET' && size !== whole.length) return fail(new Error(`${whole.length} of ${size} bytes came`))
      const bytes = new Uint8Array(whole.length)
      bytes.set(whole)
      done({ status: answer[':status'] ?? 0, size, body: bytes })
    })
    if (body) Readable.from(inSlices(body, (bytes) => onBytes?.(bytes))).pipe(stream)
  })
}

function at(remote: string, directory: string): string {
  return remote.endsWith(':') ? remote + directory : `${remote.replace(/\/+$/, '')}/${directory}`
}

function rcloneError(error: unknown, remote: string): PermafrostError {
  if (error instanceof PermafrostError) return error
  if (isErrno(error, 'ENOENT'))
    return new StorageError('absent', `rclone:${remote} needs rclone, and there is none here`, {
      hint: 'apt-get install rclone',
      cause: error,
    })
  const said = error instanceof Error ? error.message : String(error)
  return new StorageError('broken', `rclone:${remote} did not do it: ${said}`, {
    hint: `see what rclone says to: rclone lsf ${remote}`,
    cause: error,
  })
}
