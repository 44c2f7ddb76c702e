import { Corrupt, must } from './corrupt.ts'

/** A token of ClickHouse's SQL. Their texts, one after another, are the statement again. */
export interface Token {
  readonly kind: 'space' | 'word' | 'identifier' | 'string' | 'number' | 'symbol'
  readonly text: string
}

/** A token that means something, and where it stands among all of them. */
export interface Lexeme extends Token {
  readonly index: number
}

/** A stretch of tokens, and what takes its place. */
export interface Edit {
  readonly from: number
  /** Behind the last one; the same as `from` where something is put in. */
  readonly to: number
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

/** The tokens that are neither spaces nor comments. */
export function lexemes(tokens: readonly Token[]): readonly Lexeme[] {
  return tokens.flatMap((token, index) => (token.kind === 'space' ? [] : [{ ...token, index }]))
}

/** The statement again, with edits that do not overlap. */
export function applyEdits(tokens: readonly Token[], edits: readonly Edit[]): string {
  let at = 0
  let statement = ''
  const upTo = (index: number) => {
    for (; at < index; at++) statement += tokens[at]?.text ?? ''
  }
  for (const { from, to, text } of edits.toSorted((a, b) => a.from - b.from)) {
    upTo(from)
    statement += text
    at = Math.max(at, to)
  }
  upTo(tokens.length)
  return statement
}

const ESCAPES: Readonly<Record<string, string>> = {
  n: '\n',
  r: '\r',
  t: '\t',
  '0': '\0',
  b: '\b',
  f: '\f',
  a: '\u0007',
  v: '\v',
}

/** What a word, a quoted name or a string literal stands for. */
export function meaningOf({ kind, text }: Token): string {
  if (kind === 'word' || text.startsWith('$')) return text.replace(/^\$(\w*)\$([\s\S]*)\$\1\$$/, '$2')
  const quote = text[0] ?? ''
  return text
    .slice(1, -1)
    .replaceAll(/\\x([0-9a-fA-F]{2})|\\([\s\S])|(['"`])\3/g, (whole: string, hex?: string, escaped?: string) => {
      if (hex !== undefined) return String.fromCharCode(Number.parseInt(hex, 16))
      if (escaped !== undefined) return ESCAPES[escaped] ?? escaped
      return whole[0] === quote ? quote : whole
    })
}

function tokenAt(statement: string, at: number): Token {
  for (const [kind, pattern] of TOKENS) {
    pattern.lastIndex = at
    const text = pattern.exec(statement)?.[0]
    if (text) return { kind, text }
  }
  throw new Corrupt('the statement does not read')
}
