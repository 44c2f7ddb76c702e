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
}

/**
 * A CREATE statement for another place: its own name, and every table, target, source and dictionary that it names, follow.
 * The statement is the same token for token everywhere else.
 *
 * @throws Corrupt when it is no CREATE statement
 */
export function rewriteCreate(statement: string, rewrite: Rewrite): string {
  const create = readCreate(statement)
  const edits = [
    ...headEdits(create, sql`${rewrite.to}`.text),
    ...(create.innerUuid ? [editOf(create.reader, create.innerUuid, '')] : []),
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
