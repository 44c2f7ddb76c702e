import { spawn, spawnSync } from 'node:child_process'
import { chmodSync, chownSync, existsSync, mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { notCovered } from '../not-covered.ts'

/** A server of a test: an ordinary process on the loopback. */
export interface ServerProcess extends AsyncDisposable {
  readonly pid: number
}

const root = userInfo().uid === 0

/** Whom the servers run as: never root. */
export const serverUser = root ? { uid: 65534, gid: 65534, name: 'nobody', group: 'nogroup' } : ordinaryUser()

/** A directory that the servers may write to. */
export function serverDirectory(name: string): string {
  const directory = mkdtempSync(join(tmpdir(), `permafrost-${name}-`))
  chmodSync(directory, 0o755)
  ownedByServer(directory)
  return directory
}

/** Hand a file or a directory over to the user that the servers run as. */
export function ownedByServer(path: string): void {
  if (root) chownSync(path, serverUser.uid, serverUser.gid)
}

export function removeDirectory(directory: string): void {
  rmSync(directory, { recursive: true, force: true })
}

/** Whether this machine has a server; in CI it must. */
export function hasServer(program: string, what: string): boolean {
  const found = existsSync(program)
  if (!found && process.env['CI']) throw new Error(`.ci/run installs ${program}: without it CI does not cover ${what}`)
  if (!found) notCovered(`${what} (no ${program} here)`)
  return found
}

/** Whether it has all of those whose objects are files. */
export const hasFileServers = [
  '/usr/bin/rclone',
  '/usr/lib/lighttpd/mod_webdav.so',
  '/usr/lib/proftpd/mod_sftp.so',
  '/usr/sbin/apache2',
  '/usr/sbin/lighttpd',
  '/usr/sbin/proftpd',
  '/usr/sbin/sshd',
]
  .map((program) => hasServer(program, 'SFTP, FTP, WebDAV and rclone'))
  .every(Boolean)

/** Start a server and wait until it answers at its port; disposing of it kills it by its own process id. */
export async function startServer(
  command: string,
  args: readonly string[],
  { port, ...options }: { readonly port: number; readonly asUser?: boolean },
): Promise<ServerProcess> {
  const { uid, gid } = serverUser
  const as = options.asUser !== false && root ? { uid, gid } : {}
  const child = spawn(command, args, { ...as, cwd: '/', stdio: ['ignore', 'ignore', 'pipe'], detached: true })
  let said = ''
  child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()))
  const exited = new Promise<void>((done) => child.once('exit', () => done()))
  for (let tries = 0; !(await answers(port)); tries++) {
    if (tries === 1200 || child.exitCode !== null) throw new Error(`${command} did not start: ${said}`)
    await sleep(25)
  }
  const pid = child.pid ?? 0
  return {
    pid,
    [Symbol.asyncDispose]: async () => {
      // Its own process group: sshd and proftpd have a process for each connection.
      process.kill(-pid, 'SIGKILL')
      await exited
    },
  }
}

/** Run a program that has to succeed. */
export function runTool(command: string, ...args: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${stderr}`)
  return stdout
}

/** The command line of a program that sees a disk of 1 MiB at a directory: only where `canMount`. */
export function onSmallDisk(directory: string, command: readonly [string, ...string[]]): [string, ...string[]] {
  const script = `mount -t tmpfs -o size=1m,mode=777 tmpfs '${directory}' && exec "$@"`
  return ['/usr/bin/unshare', '-Urm', 'sh', '-c', script, 'sh', ...command]
}

function answers(port: number): Promise<boolean> {
  return new Promise((done) => {
    const socket = connect({ host: '127.0.0.1', port })
    const end = (answer: boolean) => () => {
      socket.destroy()
      done(answer)
    }
    socket.once('connect', end(true)).once('error', end(false))
  })
}

function ordinaryUser() {
  const { uid, gid, username } = userInfo()
  return { uid, gid, name: username, group: runTool('id', '-gn').trim() }
}
