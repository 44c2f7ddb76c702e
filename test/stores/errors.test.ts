import { randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { freePort } from '../../src/engine/free-port.ts'
import { ftpStorage } from '../../src/storage/ftp.ts'
import { fingerprintOf } from '../../src/storage/known-hosts.ts'
import { withLayers } from '../../src/storage/layers.ts'
import { rcloneStorage } from '../../src/storage/rclone.ts'
import { sftpStorage } from '../../src/storage/sftp.ts'
import type { Storage } from '../../src/storage/storage.ts'
import type { StorageFailure } from '../../src/storage/storage-error.ts'
import type { WebdavOptions } from '../../src/storage/webdav-client.ts'
import { webdavStorage } from '../../src/storage/webdav.ts'
import { canMount } from '../helpers/not-covered.ts'
import { PASSWORD, startProftpd } from '../helpers/stores/proftpd.ts'
import type { FtpServer } from '../helpers/stores/proftpd.ts'
import { addRemote } from '../helpers/stores/rclone.ts'
import { hasFileServers, onSmallDisk, removeDirectory, serverDirectory } from '../helpers/stores/server-process.ts'
import { knownHost, makeKey, startSshd } from '../helpers/stores/sshd.ts'
import type { SftpServer } from '../helpers/stores/sshd.ts'
import { startTcpFaults } from '../helpers/stores/tcp-faults.ts'
import type { TcpFault } from '../helpers/stores/tcp-faults.ts'
import { startApache, startLighttpd } from '../helpers/stores/webdav-servers.ts'
import type { WebdavServer } from '../helpers/stores/webdav-servers.ts'
import { keysOf } from '../helpers/workbench.ts'
import { holds as failsAs } from './holds.ts'

let sshd: SftpServer
let proftpd: FtpServer
let apache: WebdavServer
const open: AsyncDisposable[] = []
const started = async <T extends AsyncDisposable>(server: Promise<T>): Promise<T> => {
  open.push(await server)
  return server
}
describe.runIf(hasFileServers)('Files on a server', () => {
  beforeAll(async () => {
    sshd = await started(startSshd())
    proftpd = await started(startProftpd())
    apache = await started(startApache())
  })
  afterAll(async () => {
    for (const server of open) await server[Symbol.asyncDispose]()
  })

  const secrets = [PASSWORD, 'wrong password', 'PRIVATE KEY', Buffer.from(`backup:${PASSWORD}`).toString('base64')]
  const holds = (storage: Storage, failure: StorageFailure, says: RegExp): Promise<void> =>
    failsAs(storage, { failure, says, secrets })

  describe('a store over SFTP says what is wrong:', () => {
    it('a server that is not there', async () => {
      await holds(sftpStorage({ ...sshd.place(), port: await freePort() }), 'absent', /is not there/)
    })

    it('a host that is not there', async () => {
      await holds(sftpStorage({ ...sshd.place(), host: 'nowhere.invalid' }), 'absent', /no such host/)
    })

    it('a wrong key', async () => {
      const other = join(sshd.directory, 'other-key')
      makeKey(other)
      const options = { ...sshd.place(), privateKey: readFileSync(other, 'utf8') }
      await holds(sftpStorage(options), 'unauthenticated', /does not accept the key of/)
    })

    it('a key with a passphrase that is not given', async () => {
      const locked = join(sshd.directory, 'locked-key')
      makeKey(locked, '-N', 'wrong password')
      const options = { ...sshd.place(), privateKey: readFileSync(locked, 'utf8') }
      await holds(sftpStorage(options), 'unauthenticated', /SSH key .* cannot be used/)
    })

    it('a wrong password', async () => {
      const options = { ...proftpd.sftp(), password: 'wrong password' }
      await holds(sftpStorage(options), 'unauthenticated', /does not accept the password of backup/)
    })

    it('a host key that is not known', async () => {
      const options = { ...sshd.place(), trust: { knownHosts: [join(sshd.directory, 'nothing')] } }
      await holds(sftpStorage(options), 'untrusted', /host key .* is not known: it shows SHA256:/)
    })

    it('a host key that has changed', async () => {
      const [other, file] = [join(sshd.directory, 'other-host'), join(sshd.directory, 'other-hosts')]
      makeKey(other)
      writeFileSync(file, knownHost(sshd.port, other))
      const options = { ...sshd.place(), trust: { knownHosts: [file] } }
      await holds(sftpStorage(options), 'untrusted', /host key .* has changed: it shows SHA256:/)
    })

    it('a host key that was revoked', async () => {
      const file = join(sshd.directory, 'revoked')
      const line = readFileSync(sshd.knownHosts, 'utf8')
      writeFileSync(file, `${line}@revoked ${line}`)
      await holds(sftpStorage({ ...sshd.place(), trust: { knownHosts: [file] } }), 'untrusted', /has changed/)
    })

    it('another fingerprint than the pinned one; the right one is trusted', async () => {
      const pinned = sftpStorage({ ...sshd.place(), trust: { fingerprint: sshd.fingerprint } })
      expect(await pinned.put('a', Buffer.from('x'))).toBe('created')
      const other = { ...sshd.place(), trust: { fingerprint: fingerprintOf(Buffer.from('other')) } }
      await holds(sftpStorage(other), 'untrusted', /has changed/)
    })

    it('an account that may only read', async () => {
      const server = await started(startSshd('internal-sftp -R'))
      await holds(sftpStorage(server.place()), 'forbidden', /not allowed to write/)
    })

    it.runIf(canMount)('a full disk', async () => {
      const script = join(sshd.directory, 'small')
      const [program, ...args] = onSmallDisk(join(sshd.directory, 'data'), ['/usr/lib/openssh/sftp-server'])
      writeFileSync(
        script,
        `#!/bin/sh\nexec ${[program, ...args].map((arg) => `"${arg.replaceAll(/["$]/g, String.raw`\$&`)}"`).join(' ')}\n`,
        { mode: 0o755 },
      )
      const server = await started(startSshd(script))
      await holds(sftpStorage({ ...server.place(), path: sshd.place().path }), 'full', /no space left to write/)
    })
  })

  describe('a store over FTP says what is wrong:', () => {
    it('a server that is not there', async () => {
      await holds(ftpStorage({ ...proftpd.ftp(), port: await freePort() }), 'absent', /is not there/)
    })

    it('a wrong password', async () => {
      const options = { ...proftpd.ftp('explicit'), password: 'wrong password' }
      await holds(ftpStorage(options), 'unauthenticated', /does not accept the user or its password/)
    })

    it('a certificate that nobody trusts', async () => {
      await holds(
        ftpStorage({ ...proftpd.ftp('explicit'), ca: undefined }),
        'untrusted',
        /certificate .* is not trusted/,
      )
    })

    it.each(['none', 'explicit'] as const)('an account that may only read (TLS: %s)', async (tls) => {
      const server = await started(startProftpd('<Limit WRITE>\n    DenyAll\n  </Limit>'))
      await holds(ftpStorage(server.ftp(tls)), 'forbidden', /not allowed to write/)
    })

    it.each(['none', 'explicit'] as const)('files that may not be as large (TLS: %s)', async (tls) => {
      const server = await started(startProftpd('MaxStoreFileSize 1 MB'))
      await holds(ftpStorage(server.ftp(tls)), 'full', /no space left to write/)
    })

    it.runIf(canMount).each(['none', 'explicit'] as const)('a full disk (TLS: %s)', async (tls) => {
      const server = await started(startProftpd('', 'full'))
      // A write of which the disk takes a part is to proftpd one that failed for no reason.
      await expect(ftpStorage(server.ftp(tls)).put('a', Buffer.alloc(4 << 20))).rejects.toMatchObject({
        failure: expect.stringMatching(/^(full|refused)$/),
        message: expect.stringMatching(/no space left to write|input\/output error/i),
        hint: [expect.stringContaining('space')],
      })
    })
  })

  describe('a store over WebDAV says what is wrong:', () => {
    it('a server that is not there', async () => {
      const options = { ...apache.place(), url: `http://127.0.0.1:${await freePort()}/repository` }
      await holds(webdavStorage(options), 'absent', /is not there/)
    })

    it('a wrong password', async () => {
      const options = { ...apache.place(), password: 'wrong password' }
      await holds(webdavStorage(options), 'unauthenticated', /does not accept the user or its password/)
    })

    it('a certificate that nobody trusts', async () => {
      await holds(webdavStorage({ ...apache.place(), ca: undefined }), 'untrusted', /certificate .* is not trusted/)
    })

    it('an account that may only read', async () => {
      const server = await started(startLighttpd('read-only'))
      await holds(webdavStorage(server.place()), 'forbidden', /not allowed to make/)
    })

    it.runIf(canMount)('a full disk', async () => {
      const server = await started(startApache('full'))
      await holds(webdavStorage(server.place()), 'full', /no space left to write/)
    })
  })

  describe('a store through rclone says what is wrong:', () => {
    const directory = serverDirectory('rclone')
    const configuration = join(directory, 'rclone.conf')
    let lighttpd: WebdavServer
    beforeAll(async () => {
      process.env['RCLONE_CONFIG'] = configuration
      lighttpd = await started(startLighttpd())
    })
    afterAll(() => removeDirectory(directory))
    const at = (name: string, options: WebdavOptions) => rcloneStorage(addRemote(configuration, name, options))

    it('a remote that rclone does not know', async () => {
      await holds(rcloneStorage('nowhere:path'), 'absent', /rclone:nowhere:path is not there/)
    })

    it('a server that is not there', async () => {
      const storage = at('gone', { ...lighttpd.place(), url: `http://127.0.0.1:${await freePort()}` })
      await holds(storage, 'absent', /rclone:gone:\S* is not there/)
    })

    it('a wrong password', async () => {
      const storage = at('wrong', { ...lighttpd.place(), password: 'wrong password' })
      await holds(storage, 'unauthenticated', /does not accept the credentials/)
      await expect(keysOf(storage, '')).rejects.toMatchObject({ failure: 'unauthenticated' })
    })

    it('a certificate that nobody trusts', async () => {
      await holds(at('untrusted', apache.place()), 'untrusted', /rclone:untrusted:\S* did not look at/)
    })

    it('an account that may only read', async () => {
      const server = await started(startLighttpd('read-only'))
      await holds(at('reader', server.place()), 'forbidden', /may not write packs\/aa\/one/)
    })

    it('a server that went away, which is not the same as an object that did', async () => {
      const { place, proxy } = await behindProxy(() => undefined)
      const storage = at('away', place)
      await storage.put('backups/one', Buffer.from('x'))
      expect(await storage.head('backups/two')).toBeUndefined()
      await proxy[Symbol.asyncDispose]()
      await expect(storage.head('backups/two')).rejects.toMatchObject({ failure: 'absent' })
    })

    it('a server that stalls, within the time for that', async () => {
      const { place } = await behindProxy(() => ({ direction: 'up', after: 0, act: 'hang' }))
      const impatient = { limits: { silence: 1, patience: 0 }, clock: () => new Date(), random: randomBytes }
      await holds(withLayers(at('slow', place), impatient), 'broken', /said nothing for 1 s/)
    })

    async function behindProxy(rule: () => TcpFault | undefined) {
      const place = lighttpd.place()
      const { port } = new URL(place.url)
      const proxy = await started(startTcpFaults(Number(port), rule))
      return { proxy, place: { ...place, url: place.url.replace(`:${port}`, `:${proxy.port}`) } }
    }
  })
})
