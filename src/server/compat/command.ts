import { PermafrostError } from '../../core/errors.ts'

/** What clickhouse-backup was asked for, by a route's parameters or by a line of its command language. */
export interface CompatCommand {
  readonly verb: string
  readonly name: string | undefined
  readonly tables: readonly string[]
  readonly schema: boolean
  readonly data: boolean
  /** Replace what is there. */
  readonly rm: boolean
  /** `from:to`, one database. */
  readonly mapping: string | undefined
  /** As it is shown in its status. */
  readonly text: string
}

const SHORT: Readonly<Record<string, string>> = { t: 'tables', m: 'restore-database-mapping', s: 'schema', d: 'data' }
const VALUES = new Set(['table', 'tables', 'restore-database-mapping', 'partitions', 'diff-from', 'diff-from-remote'])

/** A line such as `restore_remote --rm -t db.* nightly`; a flag that would change the configuration is refused. @throws USAGE */
export function parseCommand(text: string): CompatCommand {
  const words = text.trim().split(/\s+/)
  const flags = new Map<string, string>()
  const names: string[] = []
  for (let index = 0; index < words.length; index++) {
    const word = words[index] ?? ''
    const [, long, short, value] = /^(?:--([\w-]+)|-(\w))(?:=(.*))?$/.exec(word) ?? []
    const flag = long?.replaceAll('_', '-') ?? SHORT[short ?? '']
    if (flag === undefined) names.push(word)
    else if (flag === 'env' || flag === 'config')
      throw new PermafrostError('USAGE', `--${flag}: a request changes no configuration`)
    else flags.set(flag, value ?? (VALUES.has(flag) ? (words[++index] ?? '') : 'true'))
  }
  const [verb = '', ...rest] = names
  // `delete remote <name>` names a place first.
  return commandOf({ verb, name: rest.at(-1), text: text.trim() }, (flag) => flags.get(flag))
}

/** A command out of flags, wherever they came from; parameters are spelled with `-` or `_`. */
export function commandOf(
  { verb, name, text }: Pick<CompatCommand, 'verb' | 'name' | 'text'>,
  flag: (name: string) => string | undefined,
): CompatCommand {
  const isSet = (...names: readonly string[]) =>
    names.some((one) => flag(one) !== undefined && !/^(0|false)$/i.test(flag(one) ?? ''))
  const tables = flag('table') ?? flag('tables')
  return {
    verb,
    name,
    text,
    tables: tables ? tables.split(',') : [],
    schema: isSet('schema', 'schema-only'),
    data: isSet('data', 'data-only'),
    rm: isSet('rm', 'drop'),
    mapping: flag('restore-database-mapping'),
  }
}
