import { connect, createServer } from 'node:net'
import type { AddressInfo, Server, Socket } from 'node:net'

/** What goes wrong with one connection, once so many bytes went in one direction. */
export interface TcpFault {
  readonly direction: 'up' | 'down'
  readonly after: number
  /** `end` closes it as if all had been said, `hang` says no more, `flip` changes a bit and goes on. */
  readonly act: 'reset' | 'end' | 'hang' | 'flip'
}

export interface TcpFaults extends AsyncDisposable {
  readonly port: number
  /** How many connections went wrong. */
  readonly hits: () => number
}

/**
 * A proxy before a server on the loopback that breaks connections, the n-th as the rule says. It reads the answers of an FTP
 * server, so that its data connections go through it as well.
 */
export async function startTcpFaults(
  port: number,
  rule: (connection: number) => TcpFault | undefined,
): Promise<TcpFaults> {
  const sockets = new Set<Socket>()
  const servers: Server[] = []
  let connections = 0
  let hits = 0

  const listen = (target: number): Promise<number> =>
    new Promise((done) => {
      const server = createServer({ noDelay: true }, (client) => serve(client, target))
      servers.push(server)
      server.listen(0, '127.0.0.1', () => done((server.address() as AddressInfo).port))
    })

  const serve = (client: Socket, target: number): void => {
    const fault = rule(connections++)
    const server = connect({ host: '127.0.0.1', port: target, noDelay: true })
    const pair = [client, server]
    for (const socket of pair) {
      sockets.add(socket)
      socket.on('error', () => undefined)
      socket.on('close', () => sockets.delete(socket))
    }
    client.on('close', () => server.destroy())
    server.on('close', () => client.end())
    void pass({ from: client, to: server, pair }, fault?.direction === 'up' ? fault : undefined)
    void pass({ from: server, to: client, pair, answers: true }, fault?.direction === 'down' ? fault : undefined)
  }

  const pass = async (
    { from, to, pair, answers = false }: Direction & { readonly answers?: boolean },
    fault: TcpFault | undefined,
  ): Promise<void> => {
    let passed = 0
    let done = false
    try {
      for await (const received of from as AsyncIterable<Buffer>) {
        const chunk = answers ? await throughProxy(received) : Buffer.from(received)
        if (fault && !done && passed + chunk.length > fault.after) {
          done = true
          hits++
          const at = fault.after - passed
          if (fault.act === 'flip') chunk.writeUInt8(chunk.readUInt8(at) ^ 1, at)
          else {
            to.write(chunk.subarray(0, at))
            if (fault.act === 'hang') return await new Promise(() => undefined)
            for (const socket of pair) if (fault.act === 'reset') socket.resetAndDestroy()
            for (const socket of pair) if (fault.act === 'end') socket.end()
            return
          }
        }
        passed += chunk.length
        if (!to.write(chunk)) await new Promise((go) => to.once('drain', go).once('close', go))
      }
      to.end()
    } catch {
      to.destroy()
    }
  }

  /** The port in an answer to EPSV, exchanged for one of ours. */
  const throughProxy = async (chunk: Buffer): Promise<Buffer> => {
    const [, port_ = ''] = /^229 [^\r\n]*\(\|\|\|(\d+)\|\)/.exec(chunk.toString('latin1')) ?? []
    if (port_ === '') return Buffer.from(chunk)
    const own = await listen(Number(port_))
    return Buffer.from(chunk.toString('latin1').replace(`|||${port_}|`, `|||${own}|`), 'latin1')
  }

  return {
    port: await listen(port),
    hits: () => hits,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy()
      await Promise.all(servers.map((server) => new Promise((done) => server.close(done))))
    },
  }
}

interface Direction {
  readonly from: Socket
  readonly to: Socket
  readonly pair: readonly Socket[]
}
