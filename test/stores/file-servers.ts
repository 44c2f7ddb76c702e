import { writeFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { startProftpd } from '../helpers/stores/proftpd.ts'
import { removeDirectory, serverDirectory } from '../helpers/stores/server-process.ts'
import { startSshd } from '../helpers/stores/sshd.ts'
import { startApache, startLighttpd } from '../helpers/stores/webdav-servers.ts'
import type { WebdavServer } from '../helpers/stores/webdav-servers.ts'
import type { Place } from './scenario.ts'

/** The locations whose objects are files on a server. */
export const FILE_SCHEMES = ['sftp', 'ftp', 'ftps', 'webdav', 'webdavs', 'rclone'] as const

export interface FileServers extends AsyncDisposable {
  /** A place of its own for each call. */
  place(scheme: (typeof FILE_SCHEMES)[number]): Place
}

/** OpenSSH, proftpd, lighttpd and Apache, and a remote of rclone's. */
export async function startFileServers(): Promise<FileServers> {
  const sshd = await startSshd()
  const proftpd = await startProftpd()
  const lighttpd = await startLighttpd()
  const apache = await startApache()
  const remote = serverDirectory('rclone')
  const configuration = join(remote, 'rclone.conf')
  writeFileSync(configuration, `[box]\ntype = alias\nremote = ${remote}\n`)
  let remotes = 0

  const ftp = (scheme: 'ftp' | 'ftps', authority: string): Place => {
    const { path, password } = proftpd.ftp()
    return { url: `${scheme}://backup@127.0.0.1:${proftpd.ports.ftp}${path}${authority}`, credentials: { password } }
  }
  return {
    place: (scheme) => {
      switch (scheme) {
        case 'sftp': {
          const { port, path, privateKey = '' } = sshd.place()
          const trust = `fingerprint=${encodeURIComponent(sshd.fingerprint)}`
          return {
            url: `sftp://${userInfo().username}@127.0.0.1:${port}${path}?${trust}`,
            credentials: { 'private-key': privateKey },
          }
        }
        case 'ftp':
          return ftp(scheme, '')
        case 'ftps':
          return ftp(scheme, `?ca=${encodeURIComponent(proftpd.ca)}`)
        case 'webdav':
          return webdav(lighttpd.place())
        case 'webdavs':
          return webdav(apache.place())
        case 'rclone':
          return { url: `rclone:box:${remotes++}/repository`, env: { RCLONE_CONFIG: configuration } }
      }
    },
    [Symbol.asyncDispose]: async () => {
      for (const server of [sshd, proftpd, lighttpd, apache]) await server[Symbol.asyncDispose]()
      removeDirectory(remote)
    },
  }
}

function webdav({ url, user, password = '', ca }: ReturnType<WebdavServer['place']>): Place {
  const authority = ca === undefined ? '' : `?ca=${encodeURIComponent(ca)}`
  return { url: url.replace(/^http(s?):\/\//, `webdav$1://${user}@`) + authority, credentials: { password } }
}
