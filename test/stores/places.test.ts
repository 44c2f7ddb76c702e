import { readdirSync, writeFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startProftpd } from '../helpers/stores/proftpd.ts'
import type { FtpServer } from '../helpers/stores/proftpd.ts'
import { hasFileServers, removeDirectory, serverDirectory } from '../helpers/stores/server-process.ts'
import { startSshd } from '../helpers/stores/sshd.ts'
import type { SftpServer } from '../helpers/stores/sshd.ts'
import { startTcpFaults } from '../helpers/stores/tcp-faults.ts'
import { startApache, startLighttpd } from '../helpers/stores/webdav-servers.ts'
import type { WebdavServer } from '../helpers/stores/webdav-servers.ts'
import { workbench } from '../helpers/workbench.ts'
import type { TestEngine, Workbench } from '../helpers/workbench.ts'
import { cliAt, fillDatabase, wholeProduct } from './scenario.ts'
import type { Place } from './scenario.ts'

let bench: Workbench
let engine: TestEngine
let sshd: SftpServer
let proftpd: FtpServer
let lighttpd: WebdavServer
let apache: WebdavServer
const remote = serverDirectory('rclone')
describe.runIf(hasFileServers)('Files on a server', () => {
  beforeAll(async () => {
    bench = await workbench()
    engine = await bench.engine('engine')
    sshd = await startSshd()
    proftpd = await startProftpd()
    lighttpd = await startLighttpd()
    apache = await startApache()
    writeFileSync(join(remote, 'rclone.conf'), `[box]\ntype = alias\nremote = ${remote}\n`)
  })
  afterAll(async () => {
    for (const server of [bench, sshd, proftpd, lighttpd, apache]) await server[Symbol.asyncDispose]()
    removeDirectory(remote)
  })

  function sftp(port = sshd.port): Place {
    const { path, privateKey = '' } = sshd.place()
    const trust = `fingerprint=${encodeURIComponent(sshd.fingerprint)}`
    return {
      url: `sftp://${userInfo().username}@127.0.0.1:${port}${path}?${trust}`,
      credentials: { 'private-key': privateKey },
    }
  }

  function ftp(port = proftpd.ports.ftp): Place {
    const { path, password } = proftpd.ftp()
    return { url: `ftp://backup@127.0.0.1:${port}${path}`, credentials: { password } }
  }

  function ftps(): Place {
    const { url, credentials = {} } = ftp()
    return { url: `${url.replace('ftp:', 'ftps:')}?ca=${encodeURIComponent(proftpd.ca)}`, credentials }
  }

  function webdav({ url, user, password = '', ca }: ReturnType<WebdavServer['place']>): Place {
    const authority = ca === undefined ? '' : `?ca=${encodeURIComponent(ca)}`
    return { url: url.replace(/^http(s?):\/\//, `webdav$1://${user}@`) + authority, credentials: { password } }
  }

  describe('the whole product works', () => {
    const places: readonly [string, () => Place][] = [
      ['sftp', () => sftp()],
      ['ftp', () => ftp()],
      ['ftps', ftps],
      ['webdav', () => webdav(lighttpd.place())],
      ['webdavs', () => webdav(apache.place())],
      ['rclone', () => ({ url: 'rclone:box:whole/repository', env: { RCLONE_CONFIG: join(remote, 'rclone.conf') } })],
    ]

    it.each(places)('at %s', async (name, place) => {
      const database = `at_${name}`
      await fillDatabase(engine, database)
      await wholeProduct(cliAt(join(bench.directory, name), engine, place()), engine, database)
    })
  })

  describe('a backup that is killed while a pack is on its way', () => {
    const places: readonly [string, () => number, (port?: number) => Place][] = [
      ['sftp', () => sshd.port, sftp],
      ['ftp', () => proftpd.ports.ftp, ftp],
    ]

    it.each(places)(
      'leaves nothing at %s that is taken for whole, and nothing at all after a prune',
      async (...args) => {
        const [name, port, place] = args
        const database = `killed_${name}`
        await fillDatabase(engine, database)
        const direct = place()
        const at = new URL(direct.url)
        const cli = cliAt(join(bench.directory, database), engine, direct)
        await cli.json('repo', 'init')

        await using proxy = await startTcpFaults(port(), () => ({ direction: 'up', after: 200_000, act: 'hang' }))
        const slow = direct.url.replace(`:${at.port}`, `:${proxy.port}`)
        const { child, result } = cli.start('backup', '-t', `${database}.*`, '-r', slow)
        const unfinished = () => readdirSync(join(at.pathname, 'tmp'))
        while (child.exitCode === null && (proxy.hits() === 0 || unfinished().length === 0)) await sleep(20)
        child.kill('SIGKILL')
        expect((await result).signal).toBe('SIGKILL')
        expect(unfinished().length).toBeGreaterThan(0)
        expect(await cli.json('list')).toEqual([])

        await cli.json('backup', '-t', `${database}.*`)
        await cli.json('verify', '--all', '--level', 'content')
        await cli.json('prune', '--min-age', '0s', '--yes')
        expect(unfinished()).toEqual([])
        expect(await cli.json('prune', '--min-age', '0s', '--dry-run')).toMatchObject({ plan: { dead: [] } })
      },
    )
  })
})
