import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from '../../src/engine/free-port.ts'
import { notCovered } from './not-covered.ts'

const JAR = '/usr/share/java/zookeeper.jar'

/** Whether this machine has Debian's ZooKeeper. */
export const hasZooKeeper = ((): boolean => {
  const found = existsSync(JAR) && existsSync('/usr/bin/java')
  if (!found && process.env['CI']) throw new Error('.ci/run installs zookeeper: without it CI does not cover replicas')
  if (!found) notCovered('replicas (apt-get install zookeeper)')
  return found
})()

export interface ZooKeeper extends AsyncDisposable {
  readonly port: number
}

/** A ZooKeeper of one process, stopped by its own process id. */
export async function startZooKeeper(directory: string): Promise<ZooKeeper> {
  const port = await freePort()
  mkdirSync(directory, { recursive: true })
  const file = join(directory, 'zoo.cfg')
  writeFileSync(
    file,
    `tickTime=1000
initLimit=10
syncLimit=5
dataDir=${directory}
clientPort=${port}
clientPortAddress=127.0.0.1
admin.enableServer=false
4lw.commands.whitelist=srvr
`,
  )
  const main = 'org.apache.zookeeper.server.quorum.QuorumPeerMain'
  const child = spawn('/usr/bin/java', ['-Xmx128m', '-XX:+UseSerialGC', '-cp', `${directory}:${JAR}`, main, file], {
    stdio: 'ignore',
  })
  const exited = new Promise<void>((done) => child.once('exit', () => done()))
  // It answers before it serves; only then does it know its mode.
  for (let tries = 0; !(await ask(port, 'srvr')).includes('Mode:'); tries++) {
    if (tries === 300 || child.exitCode !== null) throw new Error(`ZooKeeper did not start in ${directory}`)
    await sleep(100)
  }
  return {
    port,
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGKILL')
      await exited
    },
  }
}

function ask(port: number, word: string): Promise<string> {
  return new Promise((done) => {
    let answer = ''
    const socket = connect(port, '127.0.0.1', () => socket.write(word))
    // A line that it takes while it starts may never be answered.
    socket.setTimeout(1000, () => socket.destroy())
    socket.on('data', (chunk) => (answer += chunk.toString()))
    socket.on('close', () => done(answer))
    socket.on('error', () => done(''))
  })
}
