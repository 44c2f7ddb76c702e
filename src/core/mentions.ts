import { editOf, readCreate } from './create-statement.ts'
import type { CreateStatement } from './create-statement.ts'
import { databaseIn, dottedString, mentionOf, pair } from './mention.ts'
import type { DatabaseMention, Mention } from './mention.ts'
import { queryMentions } from './query-mentions.ts'
import type { Reader, Written } from './reader.ts'
import { sql } from './sql.ts'
import type { TableName } from './sql.ts'
import { meaningOf } from './tokenizer.ts'
import type { Edit } from './tokenizer.ts'

/** A statement within a string: the query of a dictionary. */
export interface Nested {
  readonly statement: string
  readonly write: (statement: string) => readonly Edit[]
}

export interface Mentions {
  readonly tables: readonly Mention[]
  readonly databases: readonly DatabaseMention[]
  readonly nested: readonly Nested[]
}

/** Everything that a CREATE statement names, but for what it creates. Names without a database are in its own. */
export function mentionsOf(create: CreateStatement, database: string): Mentions {
  const { reader } = create
  const found = queryMentions(reader, { from: create.name.to, database })
  const tables = [...targetOf(create, database), ...engineMentions(create, database), ...found.tables]
  const source = create.kind === 'DICTIONARY' ? sourceOf(reader, database) : { tables: [], nested: [] }
  return {
    tables: [...tables, ...source.tables],
    databases: [...mergeDatabase(create), ...found.databases],
    nested: source.nested,
  }
}

/** The tables that a statement needs, or may: those that it names, down into the queries of dictionaries. */
export function tablesNamedBy(statement: string, database: string): readonly Mention[] {
  const { tables, nested } = mentionsOf(readCreate(statement), database)
  return [...tables, ...nested.flatMap((inner) => tablesNamedBy(viewOf(inner.statement), database))]
}

/** A query as a statement that can be read. */
export function viewOf(query: string): string {
  return `CREATE VIEW _ AS ${query}`
}

function targetOf({ reader, target }: CreateStatement, database: string): readonly Mention[] {
  return target ? [mentionOf(reader, { role: 'target', written: target, database })] : []
}

/** Where the engines have the database and the table that they stand in front of. */
const IN_FRONT: Readonly<Record<string, readonly [database: number, table: number]>> = {
  Distributed: [1, 2],
  Buffer: [0, 1],
  Alias: [0, 1],
}

function engineMentions({ reader, engine }: CreateStatement, database: string): readonly Mention[] {
  const name = engine && reader.at(engine.name)?.text
  if (!engine || name === undefined) return []
  if (name === 'Dictionary') {
    const [written] = engine.arguments
    return written ? dottedString(reader, { written, database, role: 'dictionary' }) : []
  }
  const [first, second] = (IN_FRONT[name] ?? []).map((position) => engine.arguments[position])
  return first && second ? pair(reader, { role: 'engine', database: first, table: second }) : []
}

function mergeDatabase({ reader, engine }: CreateStatement): readonly DatabaseMention[] {
  const [written] = engine && reader.at(engine.name)?.text === 'Merge' ? engine.arguments : []
  return written ? databaseIn(reader, written) : []
}

/** Hosts that mean the server itself. */
const HERE = /^(localhost|127\.\d+\.\d+\.\d+|::1|)$/

/** The table or the query that a dictionary loads from, when it is of this server. */
function sourceOf(reader: Reader, database: string): Pick<Mentions, 'tables' | 'nested'> {
  const nothing = { tables: [], nested: [] }
  const start = indexOfSource(reader)
  if (start === undefined) return nothing
  const end = reader.close(start)
  const value = (key: string): Written | undefined => {
    for (let at = start + 1; at < end - 1; at++)
      if (reader.words(at, key))
        return { names: [reader.at(at + 1)].flatMap((one) => one ?? []), from: at + 1, to: at + 2 }
    return undefined
  }
  const textOf = (written: Written | undefined) => (written?.names[0] ? meaningOf(written.names[0]) : undefined)
  if (!HERE.test(textOf(value('HOST')) ?? '')) return nothing
  const [db, table, query] = [value('DB'), value('TABLE'), value('QUERY')]
  const tables: readonly Mention[] =
    table && db
      ? pair(reader, { role: 'dictionary', database: db, table })
      : table
        ? [withDatabase(reader, { key: table.from - 1, table, database })]
        : []
  const statement = textOf(query)
  const nested = statement !== undefined && query ? [{ statement, write: writeString(reader, query) }] : []
  return { tables, nested }
}

function indexOfSource(reader: Reader): number | undefined {
  for (let at = 0; at < reader.length; at++)
    if (reader.words(at, 'SOURCE') && reader.symbol(at + 1, '(') && reader.words(at + 2, 'CLICKHOUSE')) return at + 3
  return undefined
}

/** A source without a database gets one, once its table is elsewhere. */
function withDatabase(
  reader: Reader,
  { key, table, database }: { readonly key: number; readonly table: Written; readonly database: string },
): Mention {
  const name = table.names[0] ? meaningOf(table.names[0]) : ''
  const write = (to: TableName) => [
    editOf(reader, { from: key, to: table.to }, sql`DB ${to.database} TABLE ${to.name}`.text),
  ]
  return { role: 'dictionary', table: { database, name }, write }
}

function writeString(reader: Reader, written: Written): Nested['write'] {
  return (statement) => [editOf(reader, written, sql`${statement}`.text)]
}
