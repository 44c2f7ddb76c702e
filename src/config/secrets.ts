import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { PermafrostError } from '../core/errors.ts'

/** A value that may be a secret: known by its reference, read when it is needed, and shown nowhere. */
export interface Secret {
  /** The path of the configuration: `repository.key`. */
  readonly name: string
  /** The file that it is read from, where it is one. */
  readonly file: string | undefined
  /** @throws CONFIG_INVALID when the file or variable is not there */
  read(): string
}

const REFERENCE = /^\$\{(file|env):([^}]+)\}$/

/** What to look references up in. */
export interface SecretSource {
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Relative paths start at the configuration file. */
  readonly directory: string
}

/** The secret behind a value: `${file:/path}`, `${env:NAME}`, or the value itself. */
export function secretOf(name: string, value: string, { environment, directory }: SecretSource): Secret {
  const [, kind, target = ''] = REFERENCE.exec(value) ?? []
  const file = kind === 'file' ? resolve(directory, target) : undefined
  const read = (): string => {
    if (file !== undefined) return readSecretFile(name, file)
    if (kind !== 'env') return value
    const found = environment[target]
    if (found) return found
    throw new PermafrostError('CONFIG_INVALID', `${name}: the environment variable ${target} is not set`)
  }
  return { name, file, read }
}

/** How a secret is shown: its reference, which is none, or stars. */
export function redact(value: string): string {
  return REFERENCE.test(value) ? value : '***'
}

function readSecretFile(name: string, file: string): string {
  try {
    const text = readFileSync(file, 'utf8').replace(/\r?\n$/, '')
    if (text) return text
  } catch (error) {
    const reason =
      error instanceof Error && 'code' in error && error.code === 'ENOENT' ? 'is not there' : 'cannot be read'
    throw new PermafrostError('CONFIG_INVALID', `${name}: the file ${file} ${reason}`, { cause: error })
  }
  throw new PermafrostError('CONFIG_INVALID', `${name}: the file ${file} is empty`)
}
