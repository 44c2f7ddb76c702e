import { execFile, spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3'
import { fromTemporaryCredentials } from '@aws-sdk/credential-providers'
import { freePort } from '../../../src/engine/free-port.ts'
import type { Certificate } from './certificate.ts'
import { hasServer, ownedByServer, removeDirectory, serverDirectory, serverUser } from './server-process.ts'

const run = promisify(execFile)

export interface S3Keys {
  readonly 'access-key-id': string
  readonly 'secret-access-key': string
}

export type SessionKeys = Readonly<Record<keyof S3Keys | 'session-token', string>>

/** A whole Ceph: a monitor, a store in memory, and its S3 gateway. */
export interface Ceph extends AsyncDisposable {
  readonly endpoint: string
  /** Of the owner of every bucket. */
  readonly keys: S3Keys
  /** Its S3, as the owner or as somebody else. */
  client(keys?: S3Keys): S3Client
  /** Make a bucket of the owner's. */
  bucket(name: string): Promise<void>
  /** Make a user who owns nothing. */
  user(name: string): Promise<S3Keys>
  /** Credentials of the owner's that end after so many seconds: only `WITH_SESSIONS`. */
  session(seconds: number): Promise<SessionKeys>
  /** `radosgw-admin` */
  admin(...args: readonly string[]): Promise<string>
}

export const hasCeph = hasServer('/usr/bin/radosgw', 'S3 by Ceph (apt-get install radosgw ceph-mon ceph-osd)')

const OWNER: S3Keys = { 'access-key-id': 'OWNERACCESSKEY', 'secret-access-key': 'owner-hunter2-owner-hunter2' }

/** For `startCeph`: it gives out credentials that end by themselves, but then calls every wrong key a denied one. */
export const WITH_SESSIONS = `rgw_s3_auth_use_sts = true
rgw_sts_key = sixteen-letters!
rgw_sts_min_session_duration = 1`

/**
 * Start Ceph on free ports, as an ordinary user; its daemons are ended by their own process ids. Over TLS with a certificate.
 *
 * @param more lines of its configuration
 */
export async function startCeph(certificate?: Certificate, more = ''): Promise<Ceph> {
  const directory = serverDirectory('ceph')
  for (const name of ['mon', 'osd', 'rgw', 'run']) {
    mkdirSync(join(directory, name))
    ownedByServer(join(directory, name))
  }
  const [monitor, gateway] = [await freePort(), await freePort()]
  const configuration = join(directory, 'ceph.conf')
  const cluster = randomUUID()
  writeFileSync(
    configuration,
    cephConf({ directory, monitor, cluster, frontend: frontendAt(gateway, certificate), more }),
  )
  const { uid, gid } = serverUser
  const as = process.getuid?.() === 0 ? { uid, gid } : {}
  const tool = async (command: string, ...args: readonly string[]): Promise<string> =>
    (await run(command, ['-c', configuration, ...args], { ...as, cwd: directory, timeout: 30_000 })).stdout
  const daemons: ChildProcess[] = []
  const daemon = (command: string, ...args: readonly string[]): void => {
    const child = spawn(command, ['-c', configuration, '-f', ...args], { ...as, cwd: directory, stdio: 'ignore' })
    daemons.push(child)
  }

  const keyring = join(directory, 'keyring')
  const all = ['mon', 'osd', 'mgr'].flatMap((kind) => ['--cap', kind, 'allow *'])
  await run('ceph-authtool', ['--create-keyring', keyring, '--gen-key', '-n', 'mon.', '--cap', 'mon', 'allow *'], as)
  await run('ceph-authtool', [keyring, '--gen-key', '-n', 'client.admin', ...all], as)
  const map = join(directory, 'monmap')
  await run('monmaptool', ['--create', '--fsid', cluster, '--addv', 'a', `[v2:127.0.0.1:${monitor}]`, map], as)
  await tool('ceph-mon', '--mkfs', '-i', 'a', '--monmap', map, '--keyring', keyring)
  daemon('ceph-mon', '-i', 'a')
  const osd = randomUUID()
  await until(() => tool('ceph', 'osd', 'new', osd))
  const caps = ['mon', 'allow profile osd', 'osd', 'allow *']
  await tool('ceph', 'auth', 'get-or-create', 'osd.0', ...caps, '-o', join(directory, 'osd', 'keyring'))
  await tool('ceph-osd', '-i', '0', '--mkfs', '--osd-uuid', osd)
  daemon('ceph-osd', '-i', '0')
  await until(async () => (await tool('ceph', 'osd', 'stat')).includes('1 up') || Promise.reject(new Error('down')))
  const admin = (...args: readonly string[]) => tool('radosgw-admin', ...args)
  const user = async (name: string, keys: S3Keys): Promise<S3Keys> => {
    const given = ['--access-key', keys['access-key-id'], '--secret-key', keys['secret-access-key']]
    await admin('user', 'create', '--uid', name, '--display-name', name, ...given)
    return keys
  }
  await user('owner', OWNER)
  daemon('radosgw', '-n', 'client.admin')
  const endpoint = `${certificate ? 'https' : 'http'}://127.0.0.1:${gateway}`
  await until(() => connection(gateway))
  const configOf = (keys: S3Keys) => ({
    endpoint,
    region: 'us-east-1',
    credentials: { accessKeyId: keys['access-key-id'], secretAccessKey: keys['secret-access-key'] },
    ...(certificate && { requestHandler: { httpsAgent: { ca: certificate.certificate } } }),
  })
  const client = (keys = OWNER): S3Client => new S3Client({ ...configOf(keys), forcePathStyle: true })
  return {
    endpoint,
    keys: OWNER,
    client,
    bucket: async (name) => {
      await client().send(new CreateBucketCommand({ Bucket: name }))
    },
    user: (name) =>
      user(name, {
        'access-key-id': `${name.toUpperCase()}KEY`,
        'secret-access-key': `${name}-hunter2-${name}-hunter2`,
      }),
    session: async (seconds) => {
      const statement = (what: object) =>
        JSON.stringify({ Version: '2012-10-17', Statement: [{ Effect: 'Allow', ...what }] })
      const trust = statement({ Principal: { AWS: ['arn:aws:iam:::user/owner'] }, Action: ['sts:AssumeRole'] })
      await admin('caps', 'add', '--uid=owner', '--caps=roles=*')
      await admin('role', 'create', '--role-name=short', `--assume-role-policy-doc=${trust}`)
      const policy = statement({ Action: ['s3:*'], Resource: ['arn:aws:s3:::*'] })
      await admin('role-policy', 'put', '--role-name=short', '--policy-name=all', `--policy-doc=${policy}`)
      const { credentials, ...clientConfig } = configOf(OWNER)
      const params = { RoleArn: 'arn:aws:iam:::role/short', DurationSeconds: seconds }
      const given = await fromTemporaryCredentials({ masterCredentials: credentials, params, clientConfig })()
      return {
        'access-key-id': given.accessKeyId,
        'secret-access-key': given.secretAccessKey,
        'session-token': given.sessionToken ?? '',
      }
    },
    admin,
    [Symbol.asyncDispose]: async () => {
      for (const child of daemons.toReversed()) {
        const exited = new Promise((done) => child.once('exit', done))
        if (child.exitCode === null && child.kill('SIGKILL')) await exited
      }
      removeDirectory(directory)
    },
  }
}

async function until(work: () => Promise<unknown>): Promise<void> {
  for (let tries = 0; ; tries++) {
    try {
      await work()
      return
    } catch (error) {
      if (tries === 100) throw error
      await sleep(100)
    }
  }
}

/** An answer is none: with TLS, who asks would have to trust it. */
async function connection(port: number): Promise<void> {
  const socket = connect({ host: '127.0.0.1', port })
  await once(socket, 'connect').finally(() => socket.destroy())
}

function frontendAt(port: number, certificate: Certificate | undefined): string {
  if (!certificate) return `beast endpoint=127.0.0.1:${port}`
  const { certificateFile, keyFile } = certificate
  return `beast ssl_endpoint=127.0.0.1:${port} ssl_certificate=${certificateFile} ssl_private_key=${keyFile}`
}

/** The short intervals are what makes it start in seconds. */
function cephConf(at: { directory: string; monitor: number; frontend: string; cluster: string; more: string }): string {
  const { directory, monitor, frontend, cluster, more } = at
  return `[global]
fsid = ${cluster}
mon_host = [v2:127.0.0.1:${monitor}]
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
ms_bind_ipv6 = false
run_dir = ${directory}/run
admin_socket = ${directory}/run/$name.asok
log_file = ${directory}/run/$name.log
crash_dir = ${directory}/run
keyring = ${directory}/keyring
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 1
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
mon_allow_pool_size_one = true
mon_max_pg_per_osd = 1000
mon_osd_max_creating_pgs = 4096
mon_data_avail_crit = 1
mon_data_avail_warn = 2
mon_osd_nearfull_ratio = .97
mon_osd_backfillfull_ratio = .98
mon_osd_full_ratio = .99
paxos_propose_interval = 0.02
paxos_min_wait = 0.01
[mon.a]
mon_data = ${directory}/mon
[osd]
keyring = ${directory}/osd/keyring
osd_data = ${directory}/osd
osd_objectstore = memstore
memstore_device_bytes = 8589934592
[client]
rgw_frontends = ${frontend}
rgw_data = ${directory}/rgw
rgw_crypt_require_ssl = false
rgw_crypt_s3_kms_backend = testing
rgw_crypt_s3_kms_encryption_keys = testkey=YmluCmJvb3N0CmJvb3N0LWJ1aWxkCmNlcGguY29uZgo=
${more}
`
}
