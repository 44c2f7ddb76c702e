import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePort } from '../../../src/engine/free-port.ts'
import type { FtpOptions } from '../../../src/storage/ftp-session.ts'
import type { SftpOptions } from '../../../src/storage/sftp-session.ts'
import { makeCertificate } from './certificate.ts'
import {
  onSmallDisk,
  ownedByServer,
  removeDirectory,
  runTool,
  serverDirectory,
  serverUser,
  startServer,
} from './server-process.ts'
import { knownHost, makeKey } from './sshd.ts'

/** A real proftpd with one user, for FTP, FTPS and SFTP. */
export interface FtpServer extends AsyncDisposable {
  readonly directory: string
  readonly ports: { readonly ftp: number; readonly sftp: number }
  /** The file of the certificate. */
  readonly ca: string
  /** A directory of its own on the server for each call. */
  ftp(tls?: FtpOptions['tls']): FtpOptions
  sftp(): SftpOptions
}

export const PASSWORD = 'correct horse battery staple'

/** Who it runs as on a small disk: whoever started it is root there, and nobody else exists. */
const ON_SMALL_DISK = { uid: 0, gid: 0, name: 'root', group: 'root', login: 'RootLogin on' }

/**
 * @param more lines of configuration for the directory of the data
 * @param kind `full` has a disk of 1 MiB: only where `canMount`
 */
export async function startProftpd(more = '', kind: 'usual' | 'full' = 'usual'): Promise<FtpServer> {
  const directory = serverDirectory('proftpd')
  const ports = { ftp: await freePort(), sftp: await freePort() }
  const { keyFile, certificateFile, certificate } = makeCertificate(directory)
  const hostKey = join(directory, 'host-key')
  makeKey(hostKey)
  const data = join(directory, 'data')
  mkdirSync(data)
  const password = runTool('openssl', 'passwd', '-6', PASSWORD).trim()
  const { uid, gid, name, group, login } = kind === 'full' ? ON_SMALL_DISK : { ...serverUser, login: '' }
  writeFileSync(join(directory, 'users'), `backup:${password}:${uid}:${gid}::${data}:/bin/sh\n`, { mode: 0o600 })
  writeFileSync(
    join(directory, 'proftpd.conf'),
    `ModulePath /usr/lib/proftpd
LoadModule mod_tls.c
LoadModule mod_sftp.c
ServerType standalone
ServerName permafrost
DefaultServer on
DefaultAddress 127.0.0.1
SocketBindTight on
Port ${ports.ftp}
UseIPv6 off
UseReverseDNS off
WtmpLog off
TransferLog none
User ${name}
Group ${group}
PidFile ${directory}/proftpd.pid
ScoreboardFile ${directory}/scoreboard
DelayEngine off
${login}
MaxInstances none
RequireValidShell off
AuthOrder mod_auth_file.c
AuthUserFile ${directory}/users
AllowStoreRestart on
TLSEngine on
TLSLog none
TLSProtocol TLSv1.2 TLSv1.3
TLSECCertificateFile ${certificateFile}
TLSECCertificateKeyFile ${keyFile}
<Directory ${data}>
  AllowOverwrite on
  ${more}
</Directory>
<VirtualHost 127.0.0.1>
  Port ${ports.sftp}
  SFTPEngine on
  SFTPHostKey ${hostKey}
  SFTPAuthMethods password
  AuthOrder mod_auth_file.c
  AuthUserFile ${directory}/users
  RequireValidShell off
  TransferLog none
  <Directory ${data}>
    AllowOverwrite on
    ${more}
  </Directory>
</VirtualHost>
`,
  )
  for (const file of [hostKey, join(directory, 'users'), data]) ownedByServer(file)
  const knownHosts = join(directory, 'known-hosts')
  writeFileSync(knownHosts, knownHost(ports.sftp, hostKey))
  const run = ['/usr/sbin/proftpd', '-n', '-q', '-c', join(directory, 'proftpd.conf')] as const
  const [command, ...args] = kind === 'full' ? onSmallDisk(data, run) : run
  const server = await startServer(command, args, { port: ports.ftp })
  let places = 0
  const place = () => ({
    host: '127.0.0.1',
    user: 'backup',
    password: PASSWORD,
    path: `${data}/${places++}/repository`,
  })
  return {
    directory,
    ports,
    ca: certificateFile,
    ftp: (tls = 'none') => ({ ...place(), port: ports.ftp, tls, ...(tls !== 'none' && { ca: certificate }) }),
    sftp: () => ({ ...place(), port: ports.sftp, trust: { knownHosts: [knownHosts] } }),
    [Symbol.asyncDispose]: async () => {
      await server[Symbol.asyncDispose]()
      removeDirectory(directory)
    },
  }
}
