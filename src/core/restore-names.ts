import type { ObjectEntry } from './definitions.ts'
import type { Renaming } from './rewrite-create.ts'
import { displayName } from './sql.ts'
import type { TableName } from './sql.ts'

/** A database, or a table of one. */
export interface NamePattern {
  readonly database: string
  readonly name?: string
}

/** `--as from=to` */
export interface Rename {
  readonly from: NamePattern
  readonly to: NamePattern
}

export interface NameWish {
  /** Everything, into another database; or the one table that is restored, under another name. */
  readonly as?: NamePattern | undefined
  /** Some of it; these come before `as`. */
  readonly renames?: readonly Rename[] | undefined
}

/** How a table of the backup is called after the restore. A table is found before its database. */
export function targetOf({ database, name }: TableName, { as, renames = [] }: NameWish): TableName {
  const of = (table: string | undefined) =>
    renames.find(({ from }) => from.database === database && from.name === table)?.to
  const to = of(name) ?? of(undefined) ?? as
  return { database: to?.database ?? database, name: to?.name ?? name }
}

/** Names as they are after the restore. What is not restored keeps its name, wherever it is named. */
export function renamingOf(targets: ReadonlyMap<string, TableName>): Renaming {
  const databases = new Map<string, Set<string>>()
  for (const [key, to] of targets) {
    const [from = ''] = JSON.parse(key) as string[]
    databases.set(from, (databases.get(from) ?? new Set()).add(to.database))
  }
  return {
    table: (name) => targets.get(nameKey(name)) ?? name,
    database: (name) => {
      const [to, ...others] = databases.get(name) ?? []
      return others.length === 0 ? (to ?? name) : name
    },
  }
}

/** A table's name as a key of a map. */
export function nameKey({ database, name }: TableName): string {
  return JSON.stringify([database, name])
}

/** The table that a materialized view without TO keeps its rows in: named after its UUID, or after itself where there are none. */
export function innerName(view: TableName, uuid: string | undefined): TableName {
  return { database: view.database, name: uuid === undefined ? `.inner.${view.name}` : `.inner_id.${uuid}` }
}

/** For people: who needs what. */
export function needs(one: Pick<ObjectEntry, 'database' | 'name'>, other: TableName): string {
  return `${displayName(one)} needs ${displayName(other)}`
}
