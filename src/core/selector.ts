import { PermafrostError } from './errors.ts'
import { displayName } from './sql.ts'
import type { TableName } from './sql.ts'

/** One `-t` pattern, read. */
export interface Pattern {
  readonly text: string
  readonly exclude: boolean
  readonly database: RegExp
  readonly table: RegExp
  /** Whether it holds no wildcard: then matching nothing is a typing error. */
  readonly exact: boolean
  /** Whether it names no database. */
  readonly everywhere: boolean
}

/** Which tables: all that match an including pattern and no excluding one. */
export interface Selector {
  readonly patterns: readonly Pattern[]
}

/** Databases that are ClickHouse's own: named patterns can reach them, `*.*` cannot. */
const OWN_DATABASES: ReadonlySet<string> = new Set(['system', 'INFORMATION_SCHEMA', 'information_schema'])

/**
 * Read `db.table` patterns. `*` is any run of characters, `?` is one, `!` in front excludes, a pattern without a dot is a
 * whole database. Names with dots or wildcards in them are written in backticks, as in SQL: `` `my.db`.`t*` ``.
 * A list that only excludes starts from every table.
 *
 * @example
 * const selector = parseSelector(['posthog.*', '!posthog.tmp_*'])
 * selects(selector, { database: 'posthog', name: 'person' }) // true
 *
 * @throws USAGE when a pattern cannot be read
 */
export function parseSelector(texts: readonly string[]): Selector {
  const patterns = texts.map(parsePattern)
  return patterns.some((pattern) => !pattern.exclude) ? { patterns } : { patterns: [parsePattern('*.*'), ...patterns] }
}

/** Is this table meant? */
export function selects(selector: Selector, table: TableName): boolean {
  const matching = selector.patterns.filter((pattern) => matches(pattern, table))
  if (matching.length === 0 || matching.some((pattern) => pattern.exclude)) return false
  return !OWN_DATABASES.has(table.database) || matching.some((pattern) => !pattern.everywhere)
}

/** Does it leave out nothing? */
export function selectsEverything({ patterns }: Selector): boolean {
  return patterns.every(({ exclude, text }) => !exclude && text === '*.*')
}

/** Of these tables the ones that are meant. */
export function selectTables<T extends TableName>(selector: Selector, tables: readonly T[]): readonly T[] {
  const selected = tables.filter((table) => selects(selector, table))
  for (const pattern of selector.patterns) {
    if (!pattern.exact || pattern.exclude || tables.some((table) => matches(pattern, table))) continue
    throw new PermafrostError('NOT_FOUND', `no table matches ${pattern.text}`, { hint: similarTables(pattern, tables) })
  }
  return selected
}

/** A partition that was asked for: `db.table:<id>`. */
export interface PartitionChoice {
  readonly table: Selector
  readonly id: string
  readonly text: string
}

/**
 * Read `db.table:<partition id>`; ids are those of `system.parts.partition_id`, so they hold no colon.
 *
 * @throws USAGE when there is no colon, or no table before it
 */
export function parsePartitionChoice(text: string): PartitionChoice {
  const colon = text.lastIndexOf(':')
  if (colon <= 0 || colon === text.length - 1) {
    throw new PermafrostError('USAGE', `--partition ${text} is not of the form db.table:<partition id>`)
  }
  return { table: parseSelector([text.slice(0, colon)]), id: text.slice(colon + 1), text }
}

/**
 * Read a name that is meant literally: `db`, `db.table`, with backticks around names that hold dots.
 *
 * @throws USAGE when it cannot be read
 */
export function parseName(text: string): { readonly database: string; readonly name?: string } {
  const [database, table] = split(text)
  return table === undefined
    ? { database: database.map(([char]) => char).join('') }
    : { database: database.map(([char]) => char).join(''), name: table.map(([char]) => char).join('') }
}

/** A character, and whether backticks made it literal. */
type Char = readonly [char: string, literal: boolean]

function parsePattern(text: string): Pattern {
  const exclude = text.startsWith('!')
  const [database, table] = split(exclude ? text.slice(1) : text)
  const all = table ?? [['*', false] as const]
  const exact = [...database, ...all].every(([char, literal]) => literal || (char !== '*' && char !== '?'))
  const everywhere = database.every(([char, literal]) => !literal && char === '*')
  return { text, exclude, database: toRegExp(database), table: toRegExp(all), exact, everywhere }
}

function split(text: string): readonly [readonly Char[], (readonly Char[])?] {
  const names: Char[][] = [[]]
  for (const [token] of text.matchAll(/`(?:\\.|[^`\\])+`|./gsu)) {
    const literal = token.length > 1 && token.startsWith('`')
    if (token === '.' && names.length === 1) names.push([])
    else names.at(-1)?.push(...(literal ? unquote(token) : [[token, false] as const]))
  }
  const [database, table] = names
  if (!database?.length || table?.length === 0 || names.flat().some(([char, literal]) => char === '`' && !literal)) {
    const hint = 'write db.table, db.*, or `a.b`.`c` for names with dots'
    throw new PermafrostError('USAGE', `${text || "''"} is not a table pattern`, { hint })
  }
  return table ? [database, table] : [database]
}

function unquote(token: string): readonly Char[] {
  return Array.from(token.slice(1, -1).replace(/\\(.)/gsu, '$1'), (char) => [char, true] as const)
}

function toRegExp(chars: readonly Char[]): RegExp {
  const source = chars.map(([char, literal]) => {
    if (!literal && char === '*') return '[\\s\\S]*'
    if (!literal && char === '?') return '[\\s\\S]'
    return char.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&')
  })
  return new RegExp(`^${source.join('')}$`, 'u')
}

function matches(pattern: Pattern, table: TableName): boolean {
  return pattern.database.test(table.database) && pattern.table.test(table.name)
}

function similarTables(pattern: Pattern, tables: readonly TableName[]): string {
  const sameName = tables.filter((table) => pattern.table.test(table.name) || pattern.database.test(table.database))
  const shown = (sameName.length > 0 ? sameName : tables).slice(0, 5).map(displayName)
  return shown.length > 0 ? `there is ${shown.join(', ')}` : 'there is no table at all'
}
