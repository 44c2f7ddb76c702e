import { userInfo } from 'node:os'
import { join } from 'node:path'
import { startProftpd } from '../helpers/stores/proftpd.ts'
import { addRemote } from '../helpers/stores/rclone.ts'
import { removeDirectory, serverDirectory } from '../helpers/stores/server-process.ts'
import { startSshd } from '../helpers/stores/sshd.ts'
import { startApache, startLighttpd } from '../helpers/stores/webdav-servers.ts'
import type { WebdavServer } from '../helpers/stores/webdav-servers.ts'
import type { Place } from './scenario.ts'

/** The locations whose objects are files on a server. */
export const FILE_SCHEMES = ['sftp', 'ftp', 'ftps', 'webdav', 'webdavs', 'rclone'] as const

export interface FileServers extends AsyncDisposable {
  /** A place of its own for each call. */
  place(scheme: (typeof FILE_SCHEMES)[number]): ServedPlace
}

export interface ServedPlace extends Place {
  /** Of its server. */
  readonly port: number
  /** Its location, if that is reached by another port. */
  readonly through: (port: number) => string
}

/** OpenSSH, proftpd, lighttpd and Apache, and lighttpd as a remote of rclone's. */
export async function startFileServers(): Promise<FileServers> {
  const sshd = await startSshd()
  const proftpd = await startProftpd()
  const lighttpd = await startLighttpd()
  const apache = await startApache()
  const directory = serverDirectory('rclone')
  const configuration = join(directory, 'rclone.conf')
  let remotes = 0

  const rclone = (): ServedPlace => {
    const served = lighttpd.place()
    const { port } = new URL(served.url)
    const remote = (url: string) => `rclone:${addRemote(configuration, `box${remotes++}`, { ...served, url })}`
    return {
      url: remote(served.url),
      env: { RCLONE_CONFIG: configuration },
      port: Number(port),
      through: (other) => remote(served.url.replace(`:${port}`, `:${other}`)),
    }
  }
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
          return byPort({
            url: `sftp://${userInfo().username}@127.0.0.1:${port}${path}?${trust}`,
            credentials: { 'private-key': privateKey },
          })
        }
        case 'ftp':
          return byPort(ftp(scheme, ''))
        case 'ftps':
          return byPort(ftp(scheme, `?ca=${encodeURIComponent(proftpd.ca)}`))
        case 'webdav':
          return byPort(webdav(lighttpd.place()))
        case 'webdavs':
          return byPort(webdav(apache.place()))
        case 'rclone':
          return rclone()
      }
    },
    [Symbol.asyncDispose]: async () => {
      for (const server of [sshd, proftpd, lighttpd, apache]) await server[Symbol.asyncDispose]()
      removeDirectory(directory)
    },
  }
}

function byPort(place: Place): ServedPlace {
  const { port } = new URL(place.url)
  return { ...place, port: Number(port), through: (other) => place.url.replace(`:${port}`, `:${other}`) }
}

function webdav({ url, user, password = '', ca }: ReturnType<WebdavServer['place']>): Place {
  const authority = ca === undefined ? '' : `?ca=${encodeURIComponent(ca)}`
  return { url: url.replace(/^http(s?):\/\//, `webdav$1://${user}@`) + authority, credentials: { password } }
}
