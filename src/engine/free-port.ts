import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'

/** A port of the loopback that was free a moment ago; another program may take it before we do, so the caller tries again. */
export function freePort(): Promise<number> {
  return new Promise((done, fail) => {
    const server = createServer()
    server.once('error', fail)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo
      server.close(() => done(port))
    })
  })
}
