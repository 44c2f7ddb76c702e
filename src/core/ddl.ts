import { Corrupt, must } from './corrupt.ts'
import { sql } from './sql.ts'
import type { TableName } from './sql.ts'

/** A token of ClickHouse's SQL. Their texts, one after another, are the statement again. */
export interface Token {
  readonly kind: 'space' | 'word' | 'identifier' | 'string' | 'number' | 'symbol'
  readonly text: string
}

/**
 * ClickHouse's lexer, as far as CREATE statements need it (ClickHouse: src/Parsers/Lexer.cpp). Order matters: comments before
 * symbols, heredocs before the dollar sign.
 */
const TOKENS: readonly (readonly [Token['kind'], RegExp])[] = [
  ['space', /(?:\s+|--[^\n]*|\/\*[\s\S]*?\*\/)+/y],
  ['string', /'(?:\\[\s\S]|''|[^'\\])*'|\$(\w*)\$[\s\S]*?\$\1\$/y],
  ['identifier', /`(?:\\[\s\S]|``|[^`\\])*`|"(?:\\[\s\S]|""|[^"\\])*"/y],
  ['number', /\d[\w.]*/y],
  ['word', /[\p{L}_][\p{L}\p{N}_$]*/uy],
  ['symbol', /[\s\S]/uy],
]

/**
 * Split a statement into tokens. Whatever is inside quotes, comments and heredocs is one token, so a rewrite of names cannot
 * reach into it.
 *
 * @throws Corrupt when a quote is never closed
 */
export function tokenize(statement: string): readonly Token[] {
  const tokens: Token[] = []
  for (let at = 0; at < statement.length;) {
    const token = tokenAt(statement, at)
    must(
      !(token.kind === 'symbol' && /['"`]/.test(token.text)),
      `a quote in the statement is never closed: ${statement.slice(at, at + 40)}`,
    )
    tokens.push(token)
    at += token.text.length
  }
  return tokens
}

/**
 * The same CREATE statement for a table of another name. A UUID clause is dropped, for no two tables may share one.
 *
 * @example
 * renameCreate('CREATE TABLE a.b (k UInt8) ENGINE = Memory', { database: 'x', name: 'y' })
 * // 'CREATE TABLE `x`.`y` (k UInt8) ENGINE = Memory'
 *
 * @throws Corrupt when it is no CREATE statement
 */
export function renameCreate(statement: string, to: TableName): string {
  const tokens = tokenize(statement)
  const reader = tokenReader(tokens)
  must(reader.word('CREATE') || reader.word('ATTACH'), 'not a CREATE statement')
  if (reader.word('OR')) must(reader.word('REPLACE'), 'not a CREATE statement')
  reader.word('TEMPORARY')
  reader.word('MATERIALIZED')
  must(reader.word('TABLE') || reader.word('VIEW') || reader.word('DICTIONARY'), 'not a CREATE statement of a table')
  if (reader.word('IF')) must(reader.word('NOT') && reader.word('EXISTS'), 'not a CREATE statement')
  const start = reader.next()
  reader.name()
  if (reader.symbol('.')) reader.name()
  let end = reader.last()
  if (reader.word('UUID')) {
    reader.string()
    end = reader.last()
  }
  const text = (part: readonly Token[]) => part.map((token) => token.text).join('')
  const rest = text(tokens.slice(end))
  return `${text(tokens.slice(0, start))}${sql`${to}`.text}${/^\s/.test(rest) ? '' : ' '}${rest}`
}

function tokenAt(statement: string, at: number): Token {
  for (const [kind, pattern] of TOKENS) {
    pattern.lastIndex = at
    const text = pattern.exec(statement)?.[0]
    if (text) return { kind, text }
  }
  throw new Corrupt('the statement does not read')
}

/** Reads tokens one after another, passing over spaces and comments. */
function tokenReader(tokens: readonly Token[]) {
  let at = 0
  const next = (): number => {
    let index = at
    while (tokens[index]?.kind === 'space') index++
    return index
  }
  const take = (fits: (token: Token) => boolean): boolean => {
    const index = next()
    const token = tokens[index]
    if (!token || !fits(token)) return false
    at = index + 1
    return true
  }
  return {
    /** Index of the next token. */
    next,
    /** Index behind the last token that was taken. */
    last: (): number => at,
    word: (word: string): boolean => take((token) => token.text.toUpperCase() === word),
    symbol: (symbol: string): boolean => take((token) => token.text === symbol),
    name: (): void =>
      must(
        take(({ kind }) => kind === 'word' || kind === 'identifier'),
        'the statement has no name',
      ),
    string: (): void =>
      must(
        take(({ kind }) => kind === 'string'),
        'the statement has no string where one must be',
      ),
  }
}
