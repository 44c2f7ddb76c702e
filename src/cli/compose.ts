import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { resolve } from 'node:path'
import { loadConfig } from '../config/load.ts'
import type { LoadedConfig } from '../config/load.ts'
import { secretOf } from '../config/secrets.ts'
import type { Secret } from '../config/secrets.ts'
import { PermafrostError } from '../core/errors.ts'
import { parseDuration } from '../core/units.ts'
import type { Engine } from '../engine/engine.ts'
import { thisFreezer } from '../engine/freezer.ts'
import type { Context } from '../operations/context.ts'
import { openRepository } from '../repository/repository.ts'
import type { Purpose, Repository } from '../repository/repository.ts'
import { createMeter } from '../storage/meter.ts'
import type { Meter } from '../storage/meter.ts'
import { nodeDisk } from '../storage/node-disk.ts'
import { openStorage } from '../storage/open.ts'
import type { Storage } from '../storage/storage.ts'
import type { Globals, Process } from './globals.ts'
import { createOutput } from './output.ts'
import type { Output } from './output.ts'
import { createProgress } from './progress.ts'
import type { ProgressMode } from './progress.ts'

/** How to reach another location than the configured one. */
export interface Elsewhere {
  /** Whose key and credentials: those of `repository`, unless it is said that it receives copies. */
  readonly as?: 'repository' | 'copy'
  /** Bytes a second, instead of `limits.upload`. */
  readonly upload?: number | undefined
}

/** What a command works with. Everything is made here, and opened when it is asked for. */
export interface Composition extends AsyncDisposable {
  readonly globals: Globals
  readonly process: Process
  readonly output: Output
  readonly signal: AbortSignal
  /** @throws CONFIG_INVALID */
  config(): LoadedConfig
  storage(): Promise<Storage>
  /** A connection of its own to any location. */
  storageAt(url: string, options?: Elsewhere): Promise<Storage>
  /** Counts what stores are asked for. */
  readonly meter: Meter
  /** The secret of the repository, if one is configured. */
  key(): Secret | undefined
  /** The secret behind a setting. */
  secret(name: string, value: string | undefined): Secret | undefined
  repository(purpose: Purpose): Promise<Repository>
  /** Another repository than the configured one. */
  repositoryAt(url: string, purpose: Purpose, options?: Elsewhere): Promise<Repository>
  engine(): Promise<Engine>
  /** What operations need; the parts of it that need no engine, or no repository, are a Pick of it. */
  base(): Omit<Context, 'repository' | 'engine'>
  context(purpose: Purpose): Promise<Context>
  /** The same from the beginning, by the configuration as it is now: for what lives long. */
  fresh(): Composition
}

export const VERSION = readVersion()

/** More workers than this outrun most disks, and take memory and processors that ClickHouse wants. */
const MOST_WORKERS = 8
/** Two packs of some 23 MiB, one that is filled, one on its way: larger ones are no faster. */
const MEMORY_OF_A_WORKER = 48 << 20

/** THE composition root: the only place that reads the environment, the clock and random, and makes adapters. */
export function compose(globals: Globals, process_: Process, signal: AbortSignal): Composition {
  return composeWith(globals, process_, { signal, meter: createMeter(() => new Date()) })
}

function composeWith(
  globals: Globals,
  process_: Process,
  { signal, meter }: { readonly signal: AbortSignal; readonly meter: Meter },
): Composition {
  const output = createOutput({
    json: globals.json ?? false,
    quiet: globals.quiet ?? false,
    color: wantsColor(globals, process_),
    stdout: process_.stdout,
    stderr: process_.stderr,
  })
  const clock = () => new Date()
  const progress = createProgress({
    mode: progressMode(globals, process_),
    output,
    stderr: process_.stderr,
    clock,
    debug: globals.debug ?? false,
  })
  const stop =
    globals.timeout === undefined ? signal : AbortSignal.any([signal, AbortSignal.timeout(timeoutOf(globals.timeout))])
  let engine: Promise<Engine> | undefined
  let loaded: LoadedConfig | undefined

  const config = () =>
    (loaded ??= loadConfig({
      ...process_,
      file: globals.config,
      flags: { 'repository.url': { value: globals.repo, flag: '--repo' } },
    }))
  const source = () => ({ ...process_, directory: config().directory })
  const secret = (name: string, value: string | undefined) =>
    value === undefined ? undefined : secretOf(name, value, source())
  const storageAt: Composition['storageAt'] = async (url, { as = 'repository', upload } = {}) => {
    const { limits, ...groups } = config().config
    const credentials = Object.entries(groups[as].credentials).map(([name, value]): readonly [string, string] => [
      name,
      secretOf(`${as}.credentials.${name}`, value, source()).read(),
    ])
    return openStorage(url, {
      credentials: Object.fromEntries(credentials),
      limits: { ...limits, ...(upload !== undefined && { upload }) },
      meter,
      clock,
      random: randomBytes,
    })
  }
  const storage = async () => {
    const { url } = config().config.repository
    if (url !== undefined) return storageAt(url)
    throw new PermafrostError('CONFIG_INVALID', 'no repository is configured', {
      hint: 'set repository.url, or give --repo file:///path',
    })
  }
  const key = () => secret('repository.key', config().config.repository.key)
  const repository = async (purpose: Purpose) => openRepository(await storage(), { secret: readKey(key()), purpose })
  const repositoryAt: Composition['repositoryAt'] = async (url, purpose, to = {}) => {
    const own = to.as === 'copy' ? secret('copy.key', config().config.copy.key) : undefined
    return openRepository(await storageAt(url, to), { secret: readKey(own ?? key()), purpose })
  }
  const base = (): Omit<Context, 'repository' | 'engine'> => {
    const { compression, workers = Math.min(availableParallelism(), MOST_WORKERS) } = config().config.limits
    const { memory = workers * MEMORY_OF_A_WORKER } = config().config.limits
    return {
      disk: nodeDisk,
      clock,
      random: randomBytes,
      emit: progress.emit,
      signal: stop,
      limits: { memory, workers, compression },
      self: thisFreezer(),
      version: VERSION,
    }
  }
  const openEngine = () => (engine ??= makeEngine(config(), (value) => secret('clickhouse.password', value)))

  return {
    globals,
    process: process_,
    output,
    signal: stop,
    config,
    storage,
    storageAt,
    meter,
    key,
    secret,
    repository,
    repositoryAt,
    base,
    engine: openEngine,
    fresh: () => composeWith(globals, process_, { signal, meter }),
    context: async (purpose) => {
      const opening = openEngine()
      // Both take their time; that there is no repository is said first, whatever the server says.
      opening.then((opened) => opened.describe()).catch(() => undefined)
      return { ...base(), repository: await repository(purpose), engine: await opening }
    },
    [Symbol.asyncDispose]: async () => {
      progress.end()
      const opened = engine
      engine = undefined
      await (await opened?.catch(() => undefined))?.[Symbol.asyncDispose]()
    },
  }
}

async function makeEngine(
  { config, directory }: LoadedConfig,
  secret: (value: string | undefined) => Secret | undefined,
): Promise<Engine> {
  const { clickhouse, embedded } = config
  if (embedded) {
    const { embeddedEngine } = await import('../engine/embedded.ts')
    const file = embedded.config === undefined ? undefined : resolve(directory, embedded.config)
    return embeddedEngine({ path: resolve(directory, embedded.path), config: file, random: randomBytes })
  }
  const { serverEngine } = await import('../engine/server.ts')
  return serverEngine({ ...clickhouse, password: secret(clickhouse.password)?.read(), random: randomBytes })
}

function readKey(key: Secret | undefined): string | undefined {
  return key?.read()
}

function timeoutOf(text: string): number {
  const seconds = parseDuration(text)
  if (seconds !== undefined) return seconds * 1000
  throw new PermafrostError('USAGE', `--timeout ${text} is not a duration`, { hint: 'write 90s, 15m or 2h' })
}

function progressMode({ progress, quiet }: Globals, { environment, stderr }: Process): ProgressMode {
  const asked = progress === 'auto' ? environment['PERMAFROST_PROGRESS'] : progress
  if (asked === 'tty' || asked === 'plain' || asked === 'json' || asked === 'none') return asked
  if (quiet) return 'none'
  return stderr.isTTY && !environment['CI'] && environment['TERM'] !== 'dumb' ? 'tty' : 'plain'
}

/** https://no-color.org */
function wantsColor({ color }: Globals, { environment, stderr }: Process): boolean {
  return color && !environment['NO_COLOR'] && stderr.isTTY && environment['TERM'] !== 'dumb'
}

function readVersion(): string {
  const manifest = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    readonly version: string
  }
  return manifest.version
}
