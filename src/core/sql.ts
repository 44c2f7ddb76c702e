/** A table's full name. */
export interface TableName {
  readonly database: string
  readonly name: string
}

/**
 * SQL whose values are quoted. Only {@link sql}, {@link join} and {@link trusted} make one, and an engine takes nothing
 * else, so a statement pasted together from strings does not type-check.
 */
export class Sql {
  /** The statement as ClickHouse reads it. */
  readonly text: string
  /** Makes the type nominal: no other object passes for SQL. */
  declare protected readonly quoted: true

  constructor(text: string) {
    this.text = text
  }
}

export class Identifier {
  readonly name: string
  constructor(name: string) {
    this.name = name
  }
}

export type SqlValue = Sql | Identifier | TableName | string | number | bigint | boolean | readonly string[]

/**
 * The one place where names and strings become SQL. A string becomes a string literal, a {@link TableName} becomes
 * `` `database`.`table` ``, an {@link identifier} becomes a quoted identifier, an array becomes a list in parentheses.
 *
 * @example
 * sql`ALTER TABLE ${{ database: 'a', name: 'b`c' }} FREEZE WITH NAME ${"it's"}`.text
 * // ALTER TABLE `a`.`b\`c` FREEZE WITH NAME 'it\'s'
 */
export function sql(strings: TemplateStringsArray, ...values: readonly SqlValue[]): Sql {
  const pieces = strings.map((text, index) => text + (index < values.length ? quote(values[index]) : ''))
  return new Sql(pieces.join(''))
}

/** SQL that ClickHouse itself or the user wrote: a CREATE statement out of a backup, a check out of the configuration. */
export function trusted(text: string): Sql {
  return new Sql(text)
}

/** A single quoted name: a column, a partition's disk, a setting. */
export function identifier(name: string): Identifier {
  return new Identifier(name)
}

/** Statements or expressions in a row, with a separator between them. */
export function join(parts: readonly SqlValue[], separator = ', '): Sql {
  return new Sql(parts.map(quote).join(separator))
}

/**
 * A table's name for people and for the command line: bare where it can be, in backticks where it must be.
 *
 * @example
 * displayName({ database: 'my.db', name: 'events' }) // '`my.db`.events'
 */
export function displayName(table: TableName): string {
  return `${displayIdentifier(table.database)}.${displayIdentifier(table.name)}`
}

function displayIdentifier(name: string): string {
  return /^[\p{L}\p{N}_$@#-]+$/u.test(name) ? name : quoteIdentifier(name)
}

function quote(value: SqlValue | undefined): string {
  if (value instanceof Sql) return value.text
  if (value instanceof Identifier) return quoteIdentifier(value.name)
  if (typeof value === 'string') return quoteString(value)
  if (typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean') return String(value)
  if (Array.isArray(value)) return `(${value.map((item: string) => quoteString(item)).join(', ')})`
  if (value !== undefined && 'database' in value) {
    return `${quoteIdentifier(value.database)}.${quoteIdentifier(value.name)}`
  }
  throw new TypeError('sql: a value without a quoting rule')
}

// ClickHouse reads backslash escapes in both kinds of quotes, in every version since 1.1.
function quoteIdentifier(name: string): string {
  return `\`${escapeWith(name, '`')}\``
}

function quoteString(text: string): string {
  return `'${escapeWith(text, "'")}'`
}

const CONTROL: Readonly<Record<string, string>> = {
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\0': '\\0',
  '\b': '\\b',
  '\f': '\\f',
}

function escapeWith(text: string, delimiter: string): string {
  let out = ''
  for (const char of text) out += char === '\\' || char === delimiter ? `\\${char}` : (CONTROL[char] ?? char)
  return out
}
