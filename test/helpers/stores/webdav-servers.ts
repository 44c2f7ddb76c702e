import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePort } from '../../../src/engine/free-port.ts'
import type { WebdavOptions } from '../../../src/storage/webdav-client.ts'
import { makeCertificate } from './certificate.ts'
import { PASSWORD } from './proftpd.ts'
import { onSmallDisk, ownedByServer, removeDirectory, runTool, serverDirectory, startServer } from './server-process.ts'

/** A real WebDAV server with one user. */
export interface WebdavServer extends AsyncDisposable {
  readonly directory: string
  /** A directory of its own on the server for each call. */
  place(): WebdavOptions
}

/** lighttpd, in the clear. */
export async function startLighttpd(kind: 'usual' | 'read-only' = 'usual'): Promise<WebdavServer> {
  const directory = makeDirectories('lighttpd')
  const port = await freePort()
  const config = join(directory, 'lighttpd.conf')
  writeFileSync(
    config,
    `server.modules = ("mod_auth", "mod_authn_file", "mod_webdav")
server.document-root = "${directory}/data"
server.bind = "127.0.0.1"
server.port = ${port}
server.upload-dirs = ("${directory}/run")
server.max-request-size = 0
webdav.activate = "enable"
webdav.is-readonly = "${kind === 'read-only' ? 'enable' : 'disable'}"
webdav.sqlite-db-name = "${directory}/run/webdav.db"
auth.backend = "htpasswd"
auth.backend.htpasswd.userfile = "${directory}/users"
auth.require = ("/" => ("method" => "basic", "realm" => "permafrost", "require" => "valid-user"))
`,
  )
  const server = await startServer('/usr/sbin/lighttpd', ['-D', '-f', config], { port })
  return serve(server, directory, { url: `http://127.0.0.1:${port}` })
}

/**
 * Apache, over TLS.
 *
 * @param kind `full` has a disk of 1 MiB: only where `canMount`
 */
export async function startApache(kind: 'usual' | 'full' = 'usual'): Promise<WebdavServer> {
  const directory = makeDirectories('apache')
  const port = await freePort()
  const modules = [
    'mpm_event',
    'authn_core',
    'authn_file',
    'authz_core',
    'authz_user',
    'auth_basic',
    'dav',
    'dav_fs',
    'ssl',
  ]
  const { certificateFile, keyFile } = makeCertificate(directory)
  const config = join(directory, 'apache.conf')
  writeFileSync(
    config,
    `ServerRoot ${directory}
ServerName localhost
Listen 127.0.0.1:${port}
PidFile ${directory}/run/apache.pid
ErrorLog ${directory}/run/error.log
${modules.map((name) => `LoadModule ${name}_module /usr/lib/apache2/modules/mod_${name}.so`).join('\n')}
DefaultRuntimeDir ${directory}/run
Mutex file:${directory}/run
DAVLockDB ${directory}/run/locks
SSLEngine on
SSLCertificateFile ${certificateFile}
SSLCertificateKeyFile ${keyFile}
DocumentRoot ${directory}/data
<Directory ${directory}/data>
  Dav On
  AuthType Basic
  AuthName permafrost
  AuthUserFile ${directory}/users
  Require valid-user
</Directory>
`,
  )
  const run = ['/usr/sbin/apache2', '-DFOREGROUND', '-f', config] as const
  const [command, ...args] = kind === 'full' ? onSmallDisk(join(directory, 'data'), run) : run
  const server = await startServer(command, args, { port })
  return serve(server, directory, { url: `https://127.0.0.1:${port}`, ca: certificateFile })
}

function makeDirectories(name: string): string {
  const directory = serverDirectory(name)
  for (const inside of ['data', 'run']) {
    mkdirSync(join(directory, inside))
    ownedByServer(join(directory, inside))
  }
  writeFileSync(join(directory, 'users'), `backup:${runTool('openssl', 'passwd', '-apr1', PASSWORD).trim()}\n`)
  return directory
}

function serve(server: AsyncDisposable, directory: string, options: WebdavOptions): WebdavServer {
  let places = 0
  return {
    directory,
    place: () => ({
      ...options,
      url: `${options.url}/place-${places++}/repository`,
      user: 'backup',
      password: PASSWORD,
    }),
    [Symbol.asyncDispose]: async () => {
      await server[Symbol.asyncDispose]()
      removeDirectory(directory)
    },
  }
}
