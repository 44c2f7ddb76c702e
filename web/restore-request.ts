import { displayName } from '../src/core/sql.ts'
import type { OperationRequest, Table } from './types.ts'

type RestoreRequest = Extract<OperationRequest, { readonly kind: 'restore' }>

/** `beside`: into another database, or under another name · `free`: under its own name, which must be free · `replace` */
export type RestoreMode = 'beside' | 'free' | 'replace'

/** What the form of a restore says. */
export interface RestoreForm {
  readonly backup: string
  /** Names of tables, all of each; none when partitions are chosen. */
  readonly tables: readonly string[]
  /** `db.table:<id>` */
  readonly partitions: readonly string[]
  readonly mode: RestoreMode
  /** `db` or `db.table`; empty for the one that is proposed. */
  readonly as: string
}

export const EVERYTHING: Omit<RestoreForm, 'backup'> = { tables: [], partitions: [], mode: 'beside', as: '' }

/** What the agent is asked for. */
export function requestOf(form: RestoreForm, tables: readonly Table[]): RestoreRequest {
  const { backup, partitions, mode } = form
  const all = form.tables.length === tables.length && partitions.length === 0
  const names = [...form.tables, ...partitions.map(tableOf)]
  return {
    kind: 'restore',
    backup,
    mode: mode === 'replace' ? 'replace' : 'all',
    ...(!all && { tables: [...new Set(names)] }),
    ...(partitions.length > 0 && { partitions }),
    ...(mode === 'beside' && { as: form.as || proposedName(form) }),
  }
}

/** Where it goes when nobody says otherwise: a name that says what it is. */
export function proposedName({ tables, partitions }: Pick<RestoreForm, 'tables' | 'partitions'>): string {
  const names = [...new Set([...tables, ...partitions.map(tableOf)])]
  const [only, ...others] = names
  if (only !== undefined && others.length === 0) return withSuffix(only)
  const databases = new Set(names.map(databaseOf))
  return databases.size === 1 ? withSuffix([...databases][0] ?? 'restored') : 'restored'
}

/** The same as a command. */
export function restoreWords({ backup, tables = [], partitions = [], as, mode }: RestoreRequest): readonly string[] {
  return [
    'restore',
    backup,
    ...tables.flatMap((table) => ['-t', table]),
    ...partitions.flatMap((partition) => ['--partition', partition]),
    ...[as ?? []].flat().flatMap((name) => ['--as', name]),
    ...(mode === 'replace' ? ['--replace'] : []),
  ]
}

/** The choice of one partition, as `--partition` has it. */
export function partitionOf(table: Table, partition: string): string {
  return `${displayName(table)}:${partition}`
}

function tableOf(partition: string): string {
  return partition.slice(0, partition.lastIndexOf(':'))
}

function databaseOf(name: string): string {
  return name.startsWith('`') ? name.slice(0, name.indexOf('`', 1) + 1) : name.slice(0, name.indexOf('.'))
}

function withSuffix(name: string): string {
  return name.endsWith('`') ? `${name.slice(0, -1)}_restored\`` : `${name}_restored`
}
