import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { trusted } from '../../src/core/sql.ts'
import { freePort } from '../../src/engine/free-port.ts'
import { serverEngine } from '../../src/engine/server.ts'
import { notCovered } from './not-covered.ts'
import type { TestEngine } from './workbench.ts'

const BINARY = '/usr/sbin/clickhouse-server'

/** Whether this machine has Debian's clickhouse-server 18.16: the oldest that is still somewhere. */
export const hasOldServer = ((): boolean => {
  const found = existsSync(BINARY)
  if (!found && process.env['CI'])
    throw new Error('.ci/run installs clickhouse-server: without it CI does not cover old servers')
  if (!found) notCovered('ClickHouse 18.16 (apt-get install clickhouse-server)')
  return found
})()

/** For a server whose tables have replicas. */
export interface ReplicaOptions {
  readonly zookeeper: number
  readonly replica: string
}

/** Start ClickHouse 18.16 on a data directory; it is stopped by its own process id. */
export async function oldServer(directory: string, replica?: ReplicaOptions): Promise<TestEngine> {
  const [http, tcp] = [await freePort(), await freePort()]
  for (const name of ['data', 'tmp']) mkdirSync(join(directory, name), { recursive: true })
  writeFileSync(
    join(directory, 'config.xml'),
    `<yandex>
  <logger><level>error</level><errorlog>${directory}/error.log</errorlog><log>${directory}/server.log</log></logger>
  <http_port>${http}</http_port><tcp_port>${tcp}</tcp_port><listen_host>127.0.0.1</listen_host>
  <path>${directory}/data/</path><tmp_path>${directory}/tmp/</tmp_path>
  <mark_cache_size>67108864</mark_cache_size><uncompressed_cache_size>0</uncompressed_cache_size>
  <users_config>users.xml</users_config><default_profile>default</default_profile><default_database>default</default_database>
  ${replica ? await replicaConfig(replica) : ''}
</yandex>`,
  )
  writeFileSync(
    join(directory, 'users.xml'),
    `<yandex><profiles><default/></profiles><quotas><default/></quotas><users>
  <default><password>secret</password><networks><ip>127.0.0.1</ip></networks><profile>default</profile><quota>default</quota></default>
</users></yandex>`,
  )
  const child = spawn(BINARY, [`--config-file=${directory}/config.xml`], { stdio: 'ignore', cwd: directory })
  const exited = new Promise<void>((done) => child.once('exit', () => done()))
  const engine = serverEngine({
    url: `http://127.0.0.1:${http}`,
    user: 'default',
    password: 'secret',
    random: randomBytes,
  })
  const rows = (statement: string) => engine.query(trusted(statement))
  for (let tries = 0; ; tries++) {
    const up = await engine.query(trusted('SELECT 1'), { signal: AbortSignal.timeout(2000) }).then(
      () => true,
      () => false,
    )
    if (up) break
    if (tries === 200 || child.exitCode !== null)
      throw new Error(`clickhouse-server 18.16 did not start in ${directory}`)
    await sleep(50)
  }
  return {
    ...engine,
    path: join(directory, 'data'),
    rows,
    run: async (...statements) => {
      for (const statement of statements) await engine.command(trusted(statement))
    },
    value: async (statement) => String(Object.values((await rows(statement))[0] ?? {})[0]),
    [Symbol.asyncDispose]: async () => {
      await engine[Symbol.asyncDispose]()
      child.kill('SIGKILL')
      await exited
    },
  }
}

async function replicaConfig({ zookeeper, replica }: ReplicaOptions): Promise<string> {
  return `<interserver_http_host>127.0.0.1</interserver_http_host><interserver_http_port>${await freePort()}</interserver_http_port>
  <zookeeper><node index="1"><host>127.0.0.1</host><port>${zookeeper}</port></node><session_timeout_ms>10000</session_timeout_ms></zookeeper>
  <macros><shard>01</shard><replica>${replica}</replica></macros>`
}
