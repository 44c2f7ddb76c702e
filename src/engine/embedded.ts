import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { PermafrostError, toPermafrostError } from '../core/errors.ts'
import { sql } from '../core/sql.ts'
import { READER, writeEmbeddedConfig } from './embedded-config.ts'
import type { EmbeddedConfig, Flavor } from './embedded-config.ts'
import type { Engine } from './engine.ts'
import { freePort } from './free-port.ts'
import { serverEngine } from './server.ts'

export interface EmbeddedOptions {
  /** ClickHouse's data directory; made when it is not there. */
  readonly path: string
  /** A configuration file of ClickHouse's own (disks, policies, users); without it one is written. */
  readonly config?: string | undefined
  readonly random: (size: number) => Uint8Array
  /** `server` is ClickHouse itself; `bridge` the same protocol over chDB's sessions, where foreign calls are not possible. */
  readonly flavor?: Flavor | undefined
  readonly signal?: AbortSignal | undefined
  /** Called with the id of the process when it is started. */
  readonly onStart?: ((pid: number) => void) | undefined
}

/** How to reach a running engine; lies beside its data, readable by its owner alone. */
interface Running {
  readonly pid: number
  readonly url: string
  readonly user: string
  readonly password: string
}

const START_TIMEOUT = 60_000
const STOP_TIMEOUT = 10_000
/** Exit code of the child when it cannot call into the library: then the bridge is tried. */
export const NO_FOREIGN_CALLS = 86

/**
 * A ClickHouse that Permafrost starts itself, in a child process, on a data directory: the default of demo, tests and drills.
 * One that runs there already is used and left running. The child ends with its parent, even when that is killed: its
 * standard input is a pipe that only the parent holds open.
 *
 * @throws ENGINE_UNAVAILABLE when chDB is not installed, or the data directory is in use
 */
export async function embeddedEngine(options: EmbeddedOptions): Promise<Engine> {
  const path = resolve(options.path)
  const own = join(path, '.permafrost')
  const running = await joinRunning(own, options)
  if (running) return running
  mkdirSync(own, { recursive: true, mode: 0o700 })
  for (let attempt = 1; ; attempt++) {
    try {
      return await start(path, own, options)
    } catch (error) {
      // Another command was faster, or another program took the port between our look and the start.
      const other = await joinRunning(own, options)
      if (other) return other
      if (attempt === 3 || options.signal?.aborted || !(error instanceof StartError)) throw toPermafrostError(error)
    }
  }
}

class StartError extends PermafrostError {}

async function start(path: string, own: string, options: EmbeddedOptions): Promise<Engine> {
  const port = await freePort()
  const flavor = options.flavor ?? 'server'
  const password = Buffer.from(options.random(24)).toString('base64url')
  const config: EmbeddedConfig = options.config
    ? { file: resolve(options.config), user: 'default', password: '' }
    : writeEmbeddedConfig(own, { password, flavor })
  const secret = join(own, 'password')
  writeFileSync(secret, config.password, { mode: 0o600 })
  const child = launch(flavor, { path, port, file: config.file, secret })
  options.onStart?.(child.pid ?? 0)
  const said = collectOutput(child)
  const url = `http://127.0.0.1:${port}`
  const running: Running = { pid: child.pid ?? 0, url, user: config.user, password: config.password }
  const engine = connect(running, options.random)
  try {
    await waitUntilReady(engine, child, options.signal)
  } catch (error) {
    await stop(child)
    await engine[Symbol.asyncDispose]()
    if (child.exitCode === NO_FOREIGN_CALLS && options.flavor === undefined)
      return start(path, own, { ...options, flavor: 'bridge' })
    throw startFailure(path, said(), error)
  }
  const file = join(own, 'engine.json')
  writeFileSync(file, JSON.stringify(running), { mode: 0o600 })
  return {
    ...engine,
    location: `embedded:${path}`,
    [Symbol.asyncDispose]: async () => {
      rmSync(file, { force: true })
      await engine[Symbol.asyncDispose]()
      await stop(child)
    },
  }
}

async function joinRunning(own: string, { path, random }: EmbeddedOptions): Promise<Engine | undefined> {
  const running = readRunning(own)
  if (!running) return undefined
  const engine = connect(running, random)
  try {
    await engine.query(sql`SELECT 1`, { timeout: 5000 })
    return { ...engine, location: `embedded:${resolve(path)}` }
  } catch {
    await engine[Symbol.asyncDispose]()
    return undefined
  }
}

/** The engine that runs on a data directory, for one who may only read tables. @throws ENGINE_UNAVAILABLE when none does */
export function embeddedReader({ path, random }: Pick<EmbeddedOptions, 'path' | 'random'>): Engine {
  const running = readRunning(join(resolve(path), '.permafrost'))
  if (!running) throw new PermafrostError('ENGINE_UNAVAILABLE', `no embedded ClickHouse runs on ${path}`)
  return connect({ ...running, user: READER }, random)
}

function readRunning(own: string): Running | undefined {
  try {
    const running = JSON.parse(readFileSync(join(own, 'engine.json'), 'utf8')) as Running
    process.kill(running.pid, 0)
    return running
  } catch {
    return undefined
  }
}

function connect({ url, user, password }: Running, random: EmbeddedOptions['random']): Engine {
  return serverEngine({ url, user, password, random })
}

interface Launch {
  readonly path: string
  readonly port: number
  readonly file: string
  readonly secret: string
}

function launch(flavor: Flavor, job: Launch): ChildProcess {
  const extension = import.meta.url.slice(import.meta.url.lastIndexOf('.'))
  const entry = new URL(`../engine/embedded-${flavor}${extension}`, import.meta.url)
  const child = spawn(process.execPath, [entry.pathname, JSON.stringify(job)], {
    // Its own session: Ctrl-C in the terminal is for us, who need the engine to clean up.
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { PATH: '/usr/bin:/bin', TZ: 'UTC' },
  })
  child.stdin?.on('error', () => undefined)
  return child
}

async function waitUntilReady(engine: Engine, child: ChildProcess, signal: AbortSignal | undefined): Promise<void> {
  for (let waited = 0; waited < START_TIMEOUT; waited += 50) {
    signal?.throwIfAborted()
    if (child.exitCode !== null || child.signalCode !== null) throw new Error('it exited at once')
    try {
      await engine.query(sql`SELECT 1`, { timeout: 2000 })
      return
    } catch {
      await sleep(50)
    }
  }
  throw new Error('it did not answer in a minute')
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = new Promise<void>((done) => child.once('exit', () => done()))
  child.stdin?.end()
  const stopped = await Promise.race([exited.then(() => true), sleep(STOP_TIMEOUT, false, { ref: false })])
  if (!stopped) child.kill('SIGKILL')
  await exited
}

function collectOutput(child: ChildProcess): () => string {
  let output = ''
  const keep = (chunk: Buffer) => {
    output = (output + chunk.toString()).slice(-4000)
  }
  child.stdout?.on('data', keep)
  child.stderr?.on('data', keep)
  return () => output.trim()
}

function startFailure(path: string, output: string, cause: unknown): PermafrostError {
  if (output.includes('Cannot find module') || output.includes('ERR_MODULE_NOT_FOUND')) {
    const hint = 'npm install chdb ffi-rs'
    return new PermafrostError(
      'ENGINE_UNAVAILABLE',
      'the embedded ClickHouse is not installed (npm packages chdb and ffi-rs)',
      { hint, cause },
    )
  }
  if (output.includes('Cannot lock file')) {
    const hint = 'end the other program, or give this one another directory'
    return new StartError('ENGINE_UNAVAILABLE', `another ClickHouse uses the data directory ${path}`, { hint, cause })
  }
  const reason = output.split('\n').findLast((line) => line.includes('Exception')) ?? output.split('\n').at(-1) ?? ''
  return new StartError(
    'ENGINE_UNAVAILABLE',
    `the embedded ClickHouse did not start on ${path}: ${reason.slice(0, 500)}`,
    { cause },
  )
}
