import { editOf, headEdits, readCreate } from './create-statement.ts'
import type { CreateStatement } from './create-statement.ts'
import { engineEdits } from './engine-edits.ts'
import type { EngineRewrite } from './engine-edits.ts'
import { mentionsOf, viewOf } from './mentions.ts'
import { sql } from './sql.ts'
import type { TableName } from './sql.ts'
import { applyEdits } from './tokenizer.ts'
import type { Edit } from './tokenizer.ts'

/** How tables and databases are called after a restore; what is not renamed keeps its name. */
export interface Renaming {
  table(name: TableName): TableName
  database(name: string): string
}

export interface Rewrite extends EngineRewrite {
  readonly renaming: Renaming
  readonly from: TableName
  readonly to: TableName
  /** For a statement that shall be ATTACHed: its own UUID, and the one of the inner table, where databases have them. */
  readonly attach?: { readonly uuid?: string | undefined; readonly inner?: string | undefined } | undefined
}

/**
 * A CREATE statement for another place: its own name, and every table, target, source and dictionary that it names, follow.
 * The statement is the same token for token everywhere else.
 *
 * @throws Corrupt when it is no CREATE statement
 */
export function rewriteCreate(statement: string, rewrite: Rewrite): string {
  const create = readCreate(statement)
  const { to, attach } = rewrite
  const uuid = attach?.uuid === undefined ? '' : sql` UUID ${attach.uuid}`.text
  const edits = [
    ...headEdits(create, sql`${to}`.text + uuid + (attach?.inner ? sql` TO INNER UUID ${attach.inner}`.text : '')),
    ...(create.innerUuid ? [editOf(create.reader, create.innerUuid, '')] : []),
    ...(attach ? [editOf(create.reader, { from: 0, to: 1 }, 'ATTACH')] : emptyEdits(create)),
    ...nameEdits(create, rewrite),
    ...engineEdits(create, rewrite),
  ]
  return applyEdits(create.tokens, edits)
}

function nameEdits(create: CreateStatement, { from, renaming }: Pick<Rewrite, 'from' | 'renaming'>): readonly Edit[] {
  const { tables, databases, nested } = mentionsOf(create, from.database)
  return [
    ...tables.flatMap(({ table, write }) => {
      const to = renaming.table(table)
      return to.database === table.database && to.name === table.name ? [] : write(to)
    }),
    ...databases.flatMap(({ database, write }) => {
      const to = renaming.database(database)
      return to === database ? [] : write(to)
    }),
    ...nested.flatMap(({ statement, write }) => {
      const inner = readCreate(viewOf(statement))
      const edits = nameEdits(inner, { from, renaming })
      return edits.length === 0 ? [] : write(applyEdits(inner.tokens, edits).slice(viewOf('').length))
    }),
  ]
}

/** A view that is refreshed by the clock would be refreshed at once, over the rows that were restored. */
function emptyEdits({ reader, refreshed, query }: CreateStatement): readonly Edit[] {
  if (!refreshed || query === undefined || reader.words(query - 1, 'EMPTY')) return []
  const at = reader.at(query)?.index ?? 0
  return [{ from: at, to: at, text: 'EMPTY ' }]
}
