import { Agent, createServer, request } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { buffer } from 'node:stream/consumers'

/** What goes wrong with one request; `at` counts bytes of the body. */
export type HttpFault =
  /** Answered without asking the server. */
  | {
      readonly act: 'answer'
      readonly status: number
      readonly headers?: Readonly<Record<string, string>>
      readonly body?: string
    }
  /** The connection is reset before the server sees the request, in the middle of it, after the server has done it, or in the middle of its answer. */
  | { readonly act: 'reset'; readonly when: 'before' | 'during' | 'after' | 'answering' }
  /** The answer ends early, as if all had been said: by its own length, or by one that lies. */
  | { readonly act: 'cut'; readonly lie: boolean }
  /** A bit of the body is another one on its way to the server, or back. */
  | { readonly act: 'flip'; readonly direction: 'up' | 'down' }
  /** No more is said: from the beginning, or in the middle of the answer. */
  | { readonly act: 'hang'; readonly when: 'before' | 'answering' }

export interface HttpFaults extends AsyncDisposable {
  readonly port: number
  /** How many requests went wrong. */
  readonly hits: () => number
}

/** A proxy before an HTTP server on the loopback that spoils what the rule says; everything else passes as it is. */
export async function startHttpFaults(
  port: number,
  rule: (asked: IncomingMessage, answer: ServerResponse) => HttpFault | undefined | Promise<HttpFault | undefined>,
): Promise<HttpFaults> {
  const agent = new Agent({ keepAlive: true })
  const sockets = new Set<Socket>()
  let hits = 0

  const ask = (asked: IncomingMessage, body: Uint8Array): Promise<IncomingMessage> =>
    new Promise((done, failed) => {
      const { method, url: path, headers } = asked
      const to = { host: '127.0.0.1', port, agent, method, path, headers, setHost: false }
      request(to, done).on('error', failed).end(body)
    })

  const serve = async (asked: IncomingMessage, answer: ServerResponse): Promise<void> => {
    const fault = await rule(asked, answer)
    if (fault) hits++
    const reset = () => asked.socket.resetAndDestroy()
    if (fault?.act === 'hang' && fault.when === 'before') return
    if (fault?.act === 'reset' && fault.when === 'before') return void reset()
    if (fault?.act === 'reset' && fault.when === 'during') return void asked.once('data', reset)
    const sent = await buffer(asked)
    if (fault?.act === 'answer') return void answer.writeHead(fault.status, fault.headers).end(fault.body)
    const got = await ask(asked, fault?.act === 'flip' && fault.direction === 'up' ? flipped(sent) : sent)
    const body = await buffer(got)
    if (fault?.act === 'reset' && fault.when === 'after') return void reset()
    const { 'transfer-encoding': _chunked, ...headers } = got.headers
    const half = body.subarray(0, Math.floor(body.length / 2))
    const head = (length: number) =>
      answer.writeHead(
        got.statusCode ?? 0,
        asked.method === 'HEAD' ? got.headers : { ...headers, 'content-length': length },
      )
    switch (fault?.act) {
      case 'reset':
      case 'hang':
        head(body.length).write(half, () => fault.act === 'reset' && reset())
        return
      case 'cut':
        head(fault.lie ? half.length : body.length).write(half, () => asked.socket.end())
        return
      case 'flip':
      case undefined:
        head(body.length).end(fault?.act === 'flip' && fault.direction === 'down' ? flipped(body) : body)
    }
  }

  const server = createServer((asked, answer) => {
    asked.on('error', () => undefined)
    answer.on('error', () => undefined)
    serve(asked, answer).catch(() => asked.socket.destroy())
  })
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined).on('close', () => sockets.delete(socket))
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  return {
    port: (server.address() as AddressInfo).port,
    hits: () => hits,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy()
      agent.destroy()
      await new Promise((done) => server.close(done))
    },
  }
}

/** The same bytes but for one bit in their middle. */
function flipped(bytes: Buffer): Buffer {
  const other = Buffer.from(bytes)
  const middle = Math.floor(other.length / 2)
  if (other.length > 0) other.writeUInt8(other.readUInt8(middle) ^ 1, middle)
  return other
}
