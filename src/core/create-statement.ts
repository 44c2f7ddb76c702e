import { must } from './corrupt.ts'
import { readerOf } from './reader.ts'
import type { Reader, Written } from './reader.ts'
import { applyEdits, lexemes, meaningOf, tokenize } from './tokenizer.ts'
import type { Edit, Token } from './tokenizer.ts'
import { identifier, sql } from './sql.ts'
import type { TableName } from './sql.ts'

export type CreateKind = 'TABLE' | 'VIEW' | 'MATERIALIZED VIEW' | 'DICTIONARY'

/** The parts of a CREATE statement that are changed; positions are those of lexemes. */
export interface CreateStatement {
  readonly tokens: readonly Token[]
  readonly reader: Reader
  readonly kind: CreateKind
  readonly name: Written
  /** `UUID '…'`. */
  readonly uuid: Written | undefined
  /** `INNER UUID '…'` and the `TO` before it. */
  readonly innerUuid: Written | undefined
  /** The table that a materialized view writes to. */
  readonly target: Written | undefined
  /** Whether a materialized view is refreshed by the clock. */
  readonly refreshed: boolean
  /** The name behind `ENGINE =`, and its arguments. */
  readonly engine: { readonly name: number; readonly arguments: readonly Written[] } | undefined
  /** `AS` before the query. */
  readonly query: number | undefined
}

/**
 * Read a CREATE statement as ClickHouse prints it.
 *
 * @throws Corrupt when it is none of a table, a view or a dictionary
 */
export function readCreate(statement: string): CreateStatement {
  const tokens = tokenize(statement)
  const reader = readerOf(lexemes(tokens))
  must(reader.words(0, 'CREATE') || reader.words(0, 'ATTACH'), 'not a CREATE statement')
  let at = reader.words(1, 'OR', 'REPLACE') ? 3 : 1
  if (reader.words(at, 'TEMPORARY')) at++
  const materialized = reader.words(at, 'MATERIALIZED')
  if (materialized) at++
  // Of servers before 25.x.
  if (reader.words(at, 'LIVE') || reader.words(at, 'WINDOW')) at++
  const kind = (['TABLE', 'VIEW', 'DICTIONARY'] as const).find((word) => reader.words(at, word))
  must(kind && (!materialized || kind === 'VIEW'), 'not a CREATE statement of a table')
  at += reader.words(at + 1, 'IF', 'NOT', 'EXISTS') ? 4 : 1
  const name = reader.dotted(at)
  must(name && name.names.length <= 2, 'the statement has no name')
  return {
    tokens,
    reader,
    kind: materialized ? 'MATERIALIZED VIEW' : kind,
    name,
    uuid: uuidAt(reader, name.to),
    ...clausesOf(reader, { from: name.to, materialized }),
  }
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
  const create = readCreate(statement)
  return applyEdits(create.tokens, headEdits(create, sql`${to}`.text))
}

/** What makes the head of a statement name something else; its UUID goes. */
export function headEdits({ tokens, reader, name, uuid }: CreateStatement, text: string): readonly Edit[] {
  const end = indexBehind(reader, uuid ?? name)
  const space = /^\s/.test(tokens[end]?.text ?? ' ') ? '' : ' '
  return [{ from: reader.at(name.from)?.index ?? 0, to: end, text: text + space }]
}

/**
 * The statement as ATTACH has it: nothing that it names need be there. Its own UUID, and the one of its inner table, are those
 * given; databases that have none take none.
 */
export function attachCreate(
  statement: string,
  { uuid, inner }: { readonly uuid?: string | undefined; readonly inner?: string | undefined },
): string {
  const create = readCreate(statement)
  const [database, name] = create.name.names.map(meaningOf)
  const table = name === undefined ? identifier(database ?? '') : { database: database ?? '', name }
  const own = uuid === undefined ? sql`` : sql` UUID ${uuid}`
  const edits = [
    editOf(create.reader, { from: 0, to: create.reader.words(1, 'OR') ? 3 : 1 }, 'ATTACH'),
    ...headEdits(create, sql`${table}${own}`.text),
    ...(create.innerUuid ? [editOf(create.reader, create.innerUuid, '')] : []),
  ]
  if (inner === undefined) return applyEdits(create.tokens, edits)
  const body = bodyAt(create)
  return applyEdits(create.tokens, [...edits, { from: body, to: body, text: sql`TO INNER UUID ${inner} `.text }])
}

/** Where the columns of a view begin, behind what says when it is refreshed. */
function bodyAt({ reader, name }: CreateStatement): number {
  for (let at = name.to; at < reader.length; at++)
    if (reader.symbol(at, '(') || reader.words(at, 'ENGINE') || reader.words(at, 'AS')) return reader.at(at)?.index ?? 0
  return 0
}

/** A view that is refreshed by the clock, without its first refresh: that would write over the rows that were restored. */
export function emptyCreate(statement: string): string {
  const { tokens, reader, refreshed, query } = readCreate(statement)
  if (!refreshed || query === undefined || reader.words(query - 1, 'EMPTY')) return statement
  const at = reader.at(query)?.index ?? 0
  return applyEdits(tokens, [{ from: at, to: at, text: 'EMPTY ' }])
}

/** Are these the same statement, however their names are quoted and their spaces set? */
export function sameStatement(a: string, b: string): boolean {
  const essence = (statement: string) =>
    lexemes(tokenize(statement)).map((token) =>
      token.kind === 'identifier' || token.kind === 'word' ? `name ${meaningOf(token)}` : `${token.kind} ${token.text}`,
    )
  return JSON.stringify(essence(a)) === JSON.stringify(essence(b))
}

/** The stretch as tokens. */
export function editOf(reader: Reader, { from, to }: Pick<Written, 'from' | 'to'>, text: string): Edit {
  return { from: reader.at(from)?.index ?? 0, to: indexBehind(reader, { to }), text }
}

function indexBehind(reader: Reader, { to }: Pick<Written, 'to'>): number {
  return (reader.at(to - 1)?.index ?? 0) + 1
}

function uuidAt(reader: Reader, position: number): Written | undefined {
  if (!reader.words(position, 'UUID')) return undefined
  const literal = reader.at(position + 1)
  must(literal?.kind === 'string', 'the statement has no string where one must be')
  return { names: [literal], from: position, to: position + 2 }
}

type Clauses = Pick<CreateStatement, 'innerUuid' | 'target' | 'refreshed' | 'engine' | 'query'>

/** What stands outside of all brackets, up to the query. */
function clausesOf(
  reader: Reader,
  { from, materialized }: { readonly from: number; readonly materialized: boolean },
): Clauses {
  const outside: number[] = []
  for (let at = from; at < reader.length && !reader.words(at, 'AS'); at++)
    if (reader.symbol(at, '(')) at = reader.close(at) - 1
    else outside.push(at)
  const engine = outside.find((at) => reader.words(at, 'ENGINE'))
  // `TO` behind the engine is that of a TTL.
  const to = outside.find((at) => materialized && reader.words(at, 'TO') && at < (engine ?? reader.length))
  const inner = to !== undefined && reader.words(to + 1, 'INNER', 'UUID')
  const query = outside.length === 0 ? from : behind(reader, outside.at(-1) ?? from)
  return {
    innerUuid: inner ? { names: [], from: to, to: to + 4 } : undefined,
    target: to === undefined || inner ? undefined : reader.dotted(to + 1),
    refreshed: materialized && outside.some((at) => reader.words(at, 'REFRESH')),
    engine:
      engine === undefined ? undefined : engineAt(reader, reader.symbol(engine + 1, '=') ? engine + 2 : engine + 1),
    query: reader.words(query, 'AS') ? query : undefined,
  }
}

/** The first place behind this one that is outside of brackets. */
function behind(reader: Reader, position: number): number {
  const next = position + 1
  return reader.symbol(next, '(') ? reader.close(next) : next
}

function engineAt(reader: Reader, name: number): CreateStatement['engine'] {
  return { name, arguments: reader.symbol(name + 1, '(') ? reader.arguments(name + 1) : [] }
}
