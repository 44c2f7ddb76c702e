import { editOf } from './create-statement.ts'
import { databaseIn, dottedString, mentionOf, pair } from './mention.ts'
import type { DatabaseMention, Mention } from './mention.ts'
import type { Reader, Written } from './reader.ts'
import { identifier, sql } from './sql.ts'
import { meaningOf } from './tokenizer.ts'

interface Found {
  readonly tables: Mention[]
  readonly databases: DatabaseMention[]
}

/** A bracket that is open, or the statement itself. */
interface Frame {
  /** Whether a query stands in it: then FROM is a clause, and not a part of `trim(BOTH 'x' FROM y)`. */
  readonly query: boolean
  /** Whether the place at hand is between FROM and the next clause: then a comma is followed by a table. */
  from: boolean
}

const ENDS_FROM = new Set(
  'SELECT WHERE PREWHERE GROUP ORDER HAVING LIMIT OFFSET UNION INTERSECT EXCEPT SETTINGS ON USING ARRAY WINDOW QUALIFY FORMAT FINAL SAMPLE'.split(
    ' ',
  ),
)
/** These end a list of tables for good; FINAL and SAMPLE stand within it, behind a table. */
const WITHIN_FROM = new Set(['FINAL', 'SAMPLE'])
/** Words that may follow a table and are no alias of it. */
const NO_ALIAS = new Set([
  ...ENDS_FROM,
  ...'JOIN INNER LEFT RIGHT FULL CROSS GLOBAL ANY ALL ASOF SEMI ANTI PASTE AND OR COMMENT SQL'.split(' '),
])

interface Place {
  readonly from: number
  /** Of names that have none. */
  readonly database: string
}

/**
 * The tables that queries and expressions name: behind FROM, JOIN and IN, in front of columns, and as arguments of functions
 * that take a table. ClickHouse writes tables of a view with their databases, and names of a WITH without.
 */
export function queryMentions(reader: Reader, { from, database }: Place): Found {
  const found: Found = { tables: [], databases: [] }
  const withs = commonNames(reader, from)
  const root: Frame = { query: true, from: false }
  const frames = [root]
  let table = false
  for (let at = from; at < reader.length; at++) {
    const frame = frames.at(-1) ?? root
    const written = reader.dotted(at)
    if (reader.symbol(at, '(')) {
      frames.push({ query: reader.words(at + 1, 'SELECT') || reader.words(at + 1, 'WITH'), from: false })
      table = false
    } else if (reader.symbol(at, ')') && frames.length > 1) frames.pop()
    else if (reader.symbol(at, ',')) table = frame.from
    else if (written) {
      const step = readName(reader, { written, table, frame })
      table = step.table
      addName(reader, { is: step.is, written, database, found, withs })
      at = step.is === 'word' ? at : written.to - 1
    }
  }
  return found
}

/** Adds what a name mentions. */
function addName(reader: Reader, name: Add & Pick<NameStep, 'is'> & { readonly withs: ReadonlySet<string> }): void {
  const { is, written, database, found, withs } = name
  if (is === 'function') addFunction(reader, name)
  else if (is === 'table' && !isCommon(written, withs)) found.tables.push(sourceAt(reader, written, database))
  else if (is === 'set' && !isCommon(written, withs) && written.names.length <= 2)
    found.tables.push(mentionOf(reader, { role: 'column', written, database }))
  else if (is === 'column' && isQualified(reader, written)) found.tables.push(qualifier(reader, written))
}

/** `db.table.column`, `db.table.*` */
function isQualified(reader: Reader, { names, to }: Written): boolean {
  return names.length >= 3 || (names.length === 2 && reader.symbol(to, '.') && reader.symbol(to + 1, '*'))
}

interface NameStep {
  readonly is: 'word' | 'table' | 'function' | 'set' | 'column'
  /** Whether a table follows. */
  readonly table: boolean
}

/** What a name is, by what stands around it. */
function readName(
  reader: Reader,
  { written, table, frame }: { readonly written: Written; readonly table: boolean; readonly frame: Frame },
): NameStep {
  const at = written.from
  // ClickHouse prints keywords in capitals; `array` and `format` are functions.
  const word = written.names.length === 1 && reader.at(at)?.kind === 'word' ? reader.at(at)?.text : ''
  if (frame.query && word === 'FROM') {
    frame.from = true
    return { is: 'word', table: true }
  }
  if (word === 'JOIN') {
    const array = reader.words(at - 1, 'ARRAY')
    frame.from = !array
    return { is: 'word', table: !array }
  }
  if (word === 'IN') return { is: 'word', table: false }
  if (word && ENDS_FROM.has(word)) {
    if (!WITHIN_FROM.has(word)) frame.from = false
    return { is: 'word', table: false }
  }
  if (reader.symbol(written.to, '(')) return { is: 'function', table: false }
  if (table) return { is: 'table', table: false }
  return { is: isSet(reader, written) ? 'set' : 'column', table: false }
}

/** `x IN db.table`, and as newer servers print it, `x IN (db.table)`. */
function isSet(reader: Reader, { from, to }: Written): boolean {
  return (
    reader.words(from - 1, 'IN') ||
    (reader.words(from - 2, 'IN') && reader.symbol(from - 1, '(') && reader.symbol(to, ')'))
  )
}

function sourceAt(reader: Reader, written: Written, database: string): Mention {
  const mention = mentionOf(reader, { role: 'source', written, database })
  const next = reader.name(written.to)
  const aliased = next !== undefined && !(next.kind === 'word' && NO_ALIAS.has(next.text))
  // Columns may be qualified with the table's old name.
  const alias = (name: string) =>
    aliased || name === mention.table.name ? '' : sql` AS ${identifier(mention.table.name)}`.text
  return { ...mention, write: (to) => [editOf(reader, written, sql`${to}`.text + alias(to.name))] }
}

function qualifier(reader: Reader, { names, from }: Written): Mention {
  return mentionOf(reader, { role: 'column', written: { names: names.slice(0, 2), from, to: from + 3 }, database: '' })
}

interface Add extends Pick<Place, 'database'> {
  readonly written: Written
  readonly found: Found
}

/** Functions that take a table. */
function addFunction(reader: Reader, { written, database, found }: Add): void {
  const name = reader.at(written.from)?.text ?? ''
  const [first, second, third] = reader.arguments(written.to)
  const role = ROLES.find(([functions]) => functions.test(name))?.[1]
  if (role && first) found.tables.push(...dottedString(reader, { written: first, database, role }))
  if (OF_SERVERS.test(name) && second) found.tables.push(...remoteTable(reader, { second, third, database }))
  if (name === 'merge' && first && second) found.databases.push(...databaseIn(reader, first))
}

const ROLES = [
  [/^(dict[A-Z]\w*|dictionary)$/, 'dictionary'],
  [/^(joinGet(OrNull)?|loop)$/, 'source'],
] as const
const OF_SERVERS = /^(remote(Secure)?|cluster(AllReplicas)?)$/

/** `remote('host', db.table)`, `cluster('name', 'db', 'table')`: of this server, perhaps. */
function remoteTable(
  reader: Reader,
  {
    second,
    third,
    database,
  }: { readonly second: Written; readonly third: Written | undefined; readonly database: string },
): readonly Mention[] {
  const dotted = reader.dotted(second.from)
  if (dotted?.to === second.to && dotted.names.length === 2)
    return [mentionOf(reader, { role: 'column', written: dotted, database })]
  return third ? pair(reader, { role: 'column', database: second, table: third }) : []
}

/** The names that WITH gives to queries: `name AS (SELECT …)`. */
function commonNames(reader: Reader, from: number): ReadonlySet<string> {
  const names = new Set<string>()
  for (let at = from; at < reader.length; at++) {
    const name = reader.name(at)
    const query = reader.words(at + 3, 'SELECT') || reader.words(at + 3, 'WITH')
    if (name && reader.words(at + 1, 'AS') && reader.symbol(at + 2, '(') && query) names.add(meaningOf(name))
  }
  return names
}

function isCommon({ names }: Written, withs: ReadonlySet<string>): boolean {
  return names.length === 1 && names[0] !== undefined && withs.has(meaningOf(names[0]))
}
