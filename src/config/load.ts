import { closest } from 'fastest-levenshtein'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { parseDocument } from 'yaml'
import type { z } from 'zod'
import { PermafrostError } from '../core/errors.ts'
import { configKeys, configSchema, knownKeys } from './schema.ts'
import type { Config } from './schema.ts'

/** Where a value comes from: `flag --repo`, `environment PERMAFROST_…`, `file /etc/…`, `default`. */
export type Origins = ReadonlyMap<string, string>

export interface LoadedConfig {
  readonly config: Config
  readonly origins: Origins
  /** The file that was read. */
  readonly file: string | undefined
  /** Where relative paths in it start. */
  readonly directory: string
}

export interface LoadOptions {
  /** By `-c`; must be there. */
  readonly file?: string | undefined
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Values of flags, by path: `repository.url`. */
  readonly flags?: Readonly<Record<string, { readonly value: unknown; readonly flag: string } | undefined>>
  readonly workingDirectory: string
}

const DEFAULT_FILE = '/etc/permafrost/config.yaml'

/**
 * The configuration: flags over environment over file over defaults, each value with its origin. Nothing is looked up in the
 * working directory: what a daemon does must not depend on where it was started.
 *
 * @throws CONFIG_INVALID naming every problem
 */
export function loadConfig(options: LoadOptions): LoadedConfig {
  const file = fileOf(options)
  const values = file === undefined ? {} : readYaml(file)
  const origins = new Map<string, string>(pathsOf(values).map((path) => [path, `file ${file}`]))
  const set = (path: string, value: unknown, origin: string): void => {
    setPath(values, path, value)
    origins.set(path, origin)
  }
  for (const { path, environment: name, list } of configKeys()) {
    const value = name === undefined ? undefined : options.environment[name]
    if (value) set(path, list ? value.split(',').map((item) => item.trim()) : numberOr(value), `environment ${name}`)
  }
  for (const [path, given] of Object.entries(options.flags ?? {})) {
    if (given?.value !== undefined) set(path, given.value, `flag ${given.flag}`)
  }
  const parsed = configSchema.safeParse(values)
  if (!parsed.success) throw invalid(parsed.error, file)
  for (const { path } of configKeys()) if (!origins.has(path)) origins.set(path, 'default')
  return {
    config: parsed.data,
    origins,
    file,
    directory: file === undefined ? options.workingDirectory : dirname(file),
  }
}

function fileOf({ file, environment, workingDirectory }: LoadOptions): string | undefined {
  const named = file ?? environment['PERMAFROST_CONFIG']
  if (named !== undefined) return resolve(workingDirectory, named)
  return existsSync(DEFAULT_FILE) ? DEFAULT_FILE : undefined
}

type Tree = Record<string, unknown>

function readYaml(file: string): Tree {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    throw new PermafrostError('CONFIG_INVALID', `the configuration file ${file} cannot be read`, { cause: error })
  }
  const document = parseDocument(text)
  const [problem] = document.errors
  if (problem) throw new PermafrostError('CONFIG_INVALID', `${file} is not YAML: ${problem.message.split('\n')[0]}`)
  const value: unknown = document.toJS() ?? {}
  if (typeof value === 'object' && !Array.isArray(value)) return value as Tree
  throw new PermafrostError('CONFIG_INVALID', `${file} holds something else than settings`)
}

function pathsOf(tree: Tree): readonly string[] {
  return Object.entries(tree).flatMap(([group, value]) =>
    typeof value === 'object' && value !== null ? Object.keys(value).map((name) => `${group}.${name}`) : [group],
  )
}

function setPath(tree: Tree, path: string, value: unknown): void {
  const [group = '', name = ''] = path.split('.')
  const present = tree[group]
  const inner = typeof present === 'object' && present !== null ? present : {}
  tree[group] = { ...inner, [name]: value }
}

function numberOr(text: string): string | number {
  return /^\d+$/.test(text) ? Number(text) : text
}

function invalid(error: z.ZodError, file: string | undefined): PermafrostError {
  const problems = error.issues.flatMap((issue): readonly string[] => {
    const path = issue.path.join('.')
    if (issue.code !== 'unrecognized_keys') return [`${path}: ${issue.message}`]
    return issue.keys.map((key) => {
      const known = knownKeys(issue.path)
      const suggestion = known.length > 0 ? `; did you mean ${closest(key, known)}?` : ''
      return `${[...issue.path, key].join('.')}: there is no such setting${suggestion}`
    })
  })
  const where = file ? ` in ${file}` : ''
  const more = problems.length > 1 ? ` (and ${problems.length - 1} more)` : ''
  return new PermafrostError('CONFIG_INVALID', `${problems[0]}${where}${more}`, {
    hint: problems.slice(1).concat('permafrost config schema'),
    detail: { problems },
  })
}
