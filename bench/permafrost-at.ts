import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Place } from '../test/stores/scenario.ts'
import { observe } from './observe.ts'
import type { Observation } from './observe.ts'
import { PERMAFROST_MAIN } from './peers.ts'

/** The command line as it is shipped, with a configuration of its own. */
export type Permafrost = (...args: readonly string[]) => Promise<Observation>

export interface Setting {
  /** Of this configuration's own. */
  readonly directory: string
  /** The data directory of a running embedded engine. */
  readonly engine: string
  /** None for what needs no repository. */
  readonly place?: Place
}

/** Permafrost beside a running engine, with an encrypted repository at a place. Each secret is a file, and the configuration names it. */
export function permafrostAt({ directory, engine, place }: Setting): Permafrost {
  mkdirSync(directory, { recursive: true })
  const secret = (name: string, value: string): string => {
    writeFileSync(join(directory, `${name}.secret`), value)
    return `\${file:./${name}.secret}`
  }
  const { url, user, password } = JSON.parse(
    readFileSync(join(engine, '.permafrost', 'engine.json'), 'utf8'),
  ) as Running
  const config = join(directory, 'permafrost.yaml')
  const settings = {
    clickhouse: { url, user, ...(password !== '' && { password: secret('clickhouse', password) }) },
    ...(place && repositoryAt(place, secret)),
  }
  // JSON is YAML.
  writeFileSync(config, JSON.stringify(settings))
  return (...args) => observe([process.execPath, PERMAFROST_MAIN, '-c', config, '--progress', 'none', ...args])
}

interface Running {
  readonly url: string
  readonly user: string
  /** Empty where the engine has a configuration of the user's. */
  readonly password: string
}

function repositoryAt({ url, credentials = {}, limits = {} }: Place, secret: (name: string, value: string) => string) {
  const references = Object.entries(credentials).map(([name, value]) => [name, secret(name, value)] as const)
  return { limits, repository: { url, key: '${file:./key}', credentials: Object.fromEntries(references) } }
}
