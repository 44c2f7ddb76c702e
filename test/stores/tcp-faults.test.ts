import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ftpStorage } from '../../src/storage/ftp.ts'
import { sftpStorage } from '../../src/storage/sftp.ts'
import type { Storage } from '../../src/storage/storage.ts'
import { startProftpd } from '../helpers/stores/proftpd.ts'
import type { FtpServer } from '../helpers/stores/proftpd.ts'
import { startSshd } from '../helpers/stores/sshd.ts'
import type { SftpServer } from '../helpers/stores/sshd.ts'
import { startTcpFaults } from '../helpers/stores/tcp-faults.ts'
import type { TcpFault } from '../helpers/stores/tcp-faults.ts'
import { hasFileServers } from '../helpers/stores/server-process.ts'
import { everythingWorks, pack, patient, record } from './everything.ts'

let sshd: SftpServer
let proftpd: FtpServer
describe.runIf(hasFileServers)('Files on a server', () => {
  beforeAll(async () => {
    sshd = await startSshd()
    proftpd = await startProftpd()
  })
  afterAll(async () => {
    await sshd[Symbol.asyncDispose]()
    await proftpd[Symbol.asyncDispose]()
  })

  /** Everything that a repository asks of a store goes right behind a line on which some connections break. */
  async function survives(open: (port: number) => Storage, port: number, rule: (n: number) => TcpFault | undefined) {
    await using proxy = await startTcpFaults(port, rule)
    await everythingWorks(patient(open(proxy.port)))
    expect(proxy.hits()).toBeGreaterThan(0)
  }

  const AFTER = [0, 1000, 1_000_000]
  const faults = (...acts: readonly TcpFault['act'][]): readonly TcpFault[] =>
    acts.flatMap((act) =>
      (['up', 'down'] as const).flatMap((direction) => AFTER.map((after): TcpFault => ({ act, direction, after }))),
    )
  const nameOf = ({ act, direction, after }: TcpFault) => `${act} after ${after} bytes ${direction}`

  describe('SFTP over a line that breaks', () => {
    const open = (port: number) => sftpStorage({ ...sshd.place(), port, trust: { fingerprint: sshd.fingerprint } })

    it.each(faults('reset', 'end', 'hang', 'flip').map((fault) => [nameOf(fault), fault] as const))(
      'goes on: %s',
      (_name, fault) => survives(open, sshd.port, (n) => (n < 2 ? fault : undefined)),
    )
  })

  describe('FTP over a line that breaks', () => {
    const open = (port: number) => ftpStorage({ ...proftpd.ftp(), port })

    // A bit that flips in a pack is found by verify and by every reader; FTP itself has nothing against it.
    it.each(faults('reset', 'end', 'hang').map((fault) => [nameOf(fault), fault] as const))(
      'goes on: %s',
      (_name, fault) => survives(open, proftpd.ports.ftp, (n) => (n < 6 ? fault : undefined)),
    )

    it('stores a record again when a bit of it flipped on the way', async () => {
      let flips = 0
      await using proxy = await startTcpFaults(proftpd.ports.ftp, (n) =>
        n > 0 && flips++ < 2 ? { direction: 'up', after: 1500, act: 'flip' } : undefined,
      )
      const storage = patient(open(proxy.port))
      expect(await storage.put('backups/one', record, { ifAbsent: true })).toBe('created')
      expect(proxy.hits()).toBeGreaterThan(0)
      expect(Buffer.compare((await storage.get('backups/one')) ?? pack, record)).toBe(0)
    })
  })
})
