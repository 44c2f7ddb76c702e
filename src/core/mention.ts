import { editOf } from './create-statement.ts'
import type { Reader, Written } from './reader.ts'
import { identifier, sql } from './sql.ts'
import type { TableName } from './sql.ts'
import { meaningOf } from './tokenizer.ts'
import type { Edit } from './tokenizer.ts'

/**
 * A place of a statement that names a table. `target`: a materialized view writes to it · `source`: it is read ·
 * `engine`: a Distributed, Buffer or Alias stands in front of it · `dictionary`: a dictionary is looked up, or loads from
 * it · `column`: it qualifies a column, or might: no table need be there.
 */
export interface Mention {
  readonly role: 'target' | 'source' | 'engine' | 'dictionary' | 'column'
  readonly table: TableName
  /** How the place names another table. */
  readonly write: (to: TableName) => readonly Edit[]
}

/** A place that names a database alone: `Merge`, `merge()`. */
export interface DatabaseMention {
  readonly database: string
  readonly write: (to: string) => readonly Edit[]
}

/** A mention that is written as a name. */
export function mentionOf(
  reader: Reader,
  { role, written, database }: { readonly role: Mention['role']; readonly written: Written; readonly database: string },
): Mention {
  const [first, second] = written.names.map(meaningOf)
  const table = second === undefined ? { database, name: first ?? '' } : { database: first ?? '', name: second }
  return { role, table, write: (to) => [editOf(reader, written, sql`${to}`.text)] }
}

/** A database that is an argument of its own. An expression such as `currentDatabase()` is left as it is. */
export function databaseIn(reader: Reader, written: Written): readonly DatabaseMention[] {
  const [only] = written.names
  if (!only || written.names.length !== 1 || !isText(only)) return []
  const database = meaningOf(only)
  return [{ database, write: (to) => [editOf(reader, written, asWritten(only, to))] }]
}

/** A database and a table that are two arguments: names or strings. */
export function pair(
  reader: Reader,
  arguments_: { readonly role: Mention['role']; readonly database: Written; readonly table: Written },
): readonly Mention[] {
  const { role, database, table } = arguments_
  const [first] = databaseIn(reader, database)
  const [second] = databaseIn(reader, table)
  if (!first || !second || first.database === '') return []
  return [
    {
      role,
      table: { database: first.database, name: second.database },
      write: (to) => [...first.write(to.database), ...second.write(to.name)],
    },
  ]
}

/** A table in one string, as `dictGet('db.name', …)` has it, or as a name. */
export function dottedString(
  reader: Reader,
  { written, database, role }: { readonly written: Written; readonly database: string; readonly role: Mention['role'] },
): readonly Mention[] {
  const [only] = written.names
  if (only?.kind !== 'string' || written.names.length !== 1) {
    const name = reader.dotted(written.from)
    return name?.to === written.to && name.names.length <= 2
      ? [mentionOf(reader, { role, written: name, database })]
      : []
  }
  const text = meaningOf(only)
  const dot = text.indexOf('.')
  const table = dot < 0 ? { database, name: text } : { database: text.slice(0, dot), name: text.slice(dot + 1) }
  return [{ role, table, write: (to) => [editOf(reader, written, sql`${`${to.database}.${to.name}`}`.text)] }]
}

function isText(lexeme: { readonly kind: string }): boolean {
  return lexeme.kind === 'string' || lexeme.kind === 'identifier' || lexeme.kind === 'word'
}

/** A string stays a string, a name a name. */
function asWritten(lexeme: { readonly kind: string }, text: string): string {
  return lexeme.kind === 'string' ? sql`${text}`.text : sql`${identifier(text)}`.text
}
