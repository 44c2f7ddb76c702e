import { writeBytes, writeDuration } from '../core/units.ts'
import type { LoadedConfig } from './load.ts'
import { configKeys } from './schema.ts'
import type { Config, Unit } from './schema.ts'
import { redact } from './secrets.ts'

/** A setting as it may be shown, and can be written: a secret as its reference, or stars; sizes and times with their units. */
export interface ShownSetting {
  readonly path: string
  readonly value: unknown
  readonly origin: string
  readonly description: string
}

/** Every setting in force, with where it comes from. */
export function shownConfig({ config, origins }: LoadedConfig): readonly ShownSetting[] {
  const shown = redactedConfig(config)
  return configKeys().map(({ path, description }) => ({
    path,
    value: valueAt(shown, path),
    origin: origins.get(path) ?? 'default',
    description,
  }))
}

/** The configuration as it can be written, without its secrets. */
export function redactedConfig(config: Config): unknown {
  const copy = structuredClone(config) as Record<string, Record<string, unknown> | undefined>
  for (const { path, secret, unit } of configKeys()) {
    const [group = '', name = ''] = path.split('.')
    const value = copy[group]?.[name]
    if (secret && copy[group]) copy[group][name] = redactAll(value)
    if (unit && copy[group] && typeof value === 'number') copy[group][name] = WRITTEN[unit](value)
  }
  return copy
}

const WRITTEN: Readonly<Record<Unit, (value: number) => string>> = {
  bytes: writeBytes,
  seconds: writeDuration,
  'bytes a second': (bytes) => `${writeBytes(bytes)}/s`,
}

/** A secret, or a map of them. */
function redactAll(value: unknown): unknown {
  if (typeof value === 'string') return redact(value)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, redactAll(inner)]))
}

function valueAt(config: unknown, path: string): unknown {
  return path
    .split('.')
    .reduce<unknown>((value, name) => (value as Record<string, unknown> | undefined)?.[name], config)
}
