import { spawn } from 'node:child_process'
import { connect } from 'node:http2'
import type { ClientHttp2Session, IncomingHttpHeaders, IncomingHttpStatusHeader } from 'node:http2'
import type { Socket } from 'node:net'
import { Readable } from 'node:stream'
import { isErrno, PermafrostError } from '../core/errors.ts'
import { pause } from './pause.ts'
import { rcloneError } from './rclone-error.ts'
import { rcloneLog } from './rclone-log.ts'
import type { RcloneLog } from './rclone-log.ts'
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
  /** Its answer of 2xx or 416; nothing when there is no such object. */
  send(asked: RcloneRequest): Promise<RcloneAnswer | undefined>
  /** What `rclone lsjson` says of a directory; nothing when it is not there. */
  list(directory: string, call: CallOptions): Promise<string | undefined>
}

/** rclone's own code for a directory that is not there. */
const NO_SUCH_DIRECTORY = 3

/** Characters of what it said. */
const LAST_WORDS = 4096

/** A shell's exit code for a program that is not there. */
const NOT_FOUND = 127

/** Milliseconds that its last words may take. */
const LATE = 1000

/**
 * Its standard input and output are one socket, which Node hands to HTTP/2 as it is. Two pipes would have to be joined by a
 * stream of JavaScript, and a session on one of those fails an assertion of Node's when rclone ends in the middle of a write.
 */
const ON_ONE_SOCKET = 'exec rclone "$@" <&3 >&3 3>&-'

/** rclone's own words for an object that is not there. */
const NO_SUCH_OBJECT = /^(object not found|directory not found|is a directory not a file)/

const DOING = { GET: 'read', HEAD: 'look at', POST: 'write', DELETE: 'delete' } as const

/** Others write and delete there as well, and so nothing is remembered of an object. */
const SERVE = ['serve', 'restic', '--stdio', '--cache-objects=false', '--use-json-log', '--log-level=DEBUG'] as const

interface Serving {
  readonly session: ClientHttp2Session
  /** Its exit code, when all that it said is read. */
  readonly ended: Promise<number | null>
  readonly log: RcloneLog
  /** Keep our process running while a request is on its way. */
  readonly hold: (change: 1 | -1) => void
}

/**
 * rclone as a child: `serve restic --stdio` speaks HTTP/2 over its standard input and output. Nobody else can reach it, and
 * it ends with us in any case, as the pipe does. Its listings leave out directories, so those are asked of `lsjson`.
 *
 * @param remote `name:path`
 */
export function rclone(remote: string): Rclone {
  let running: Serving | undefined

  const serve = (): Serving => {
    const child = spawn('sh', ['-c', ON_ONE_SOCKET, 'rclone', ...SERVE, remote], {
      stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
    })
    const [, , stderr, socket] = child.stdio as unknown as readonly [null, null, Socket, Socket]
    const session = connect('http://rclone', { createConnection: () => socket })
    // Requests on their way say what happened.
    session.on('error', () => undefined)
    session.once('close', () => {
      if (running?.session === session) running = undefined
      child.kill()
    })
    let inUse = 0
    return {
      session,
      log: rcloneLog(stderr),
      ended: new Promise((done) => child.once('error', () => done(NOT_FOUND)).once('close', done)),
      // Idle ones do not keep our process running.
      hold: (change) => {
        inUse += change
        for (const one of [child, stderr, session])
          if (inUse > 0) one.ref()
          else one.unref()
      },
    }
  }

  return {
    send: async (asked) => {
      asked.signal?.throwIfAborted()
      const { session, ended, log, hold } = (running ??= serve())
      const tried = { doing: `${DOING[asked.method]} ${asked.key}`, remote }
      using heard = log.about(asked.key)
      hold(1)
      try {
        const answer = await request(session, asked)
        if (answer.status < 300 || answer.status === 416) return answer
        const reason = await heard.reason()
        if (answer.status === 404 && NO_SUCH_OBJECT.test(reason)) return undefined
        throw rcloneError(reason, tried)
      } catch (error) {
        asked.signal?.throwIfAborted()
        if (error instanceof PermafrostError) throw error
        const status = await Promise.race([ended, pause(LATE)])
        throw status === NOT_FOUND ? notInstalled(remote) : rcloneError(log.lastWords(), tried)
      } finally {
        hold(-1)
      }
    },
    list: async (directory, { signal }) => {
      signal?.throwIfAborted()
      const args = ['lsjson', '-R', '--files-only', '--no-mimetype', at(remote, directory)]
      const { status, output, said } = await run(args, signal)
      if (status === 0) return output
      if (status === NO_SUCH_DIRECTORY) return undefined
      throw rcloneError(said, { doing: `list ${directory || 'anything'}`, remote })
    },
  }

  function run(args: readonly string[], signal: AbortSignal | undefined) {
    return new Promise<{ readonly status: number | null; readonly output: string; readonly said: string }>(
      (done, fail) => {
        const child = spawn('rclone', args, { stdio: ['ignore', 'pipe', 'pipe'], ...(signal && { signal }) })
        const chunks: Buffer[] = []
        let said = ''
        child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk))
        child.stderr.on('data', (chunk: Buffer) => (said = `${said}${chunk.toString()}`.slice(-LAST_WORDS)))
        child.once('error', (error) => {
          if (signal?.aborted) return fail(signal.reason as Error)
          fail(isErrno(error, 'ENOENT') ? notInstalled(remote) : error)
        })
        child.once('close', (status) => done({ status, output: Buffer.concat(chunks).toString(), said }))
      },
    )
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
      const status = answer[':status']
      if (status === undefined) return fail(new Error('no answer came'))
      const whole = Buffer.concat(chunks)
      const size = Number(answer['content-length'] ?? whole.length)
      if (method === 'GET' && size !== whole.length) return fail(new Error(`${whole.length} of ${size} bytes came`))
      const bytes = new Uint8Array(whole.length)
      bytes.set(whole)
      done({ status, size, body: bytes })
    })
    if (body) Readable.from(inSlices(body, (bytes) => onBytes?.(bytes))).pipe(stream)
  })
}

function at(remote: string, directory: string): string {
  return remote.endsWith(':') ? remote + directory : `${remote.replace(/\/+$/, '')}/${directory}`
}

function notInstalled(remote: string): StorageError {
  return new StorageError('absent', `rclone:${remote} needs rclone, and there is none here`, {
    hint: 'apt-get install rclone',
  })
}
