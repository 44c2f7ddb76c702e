import { readCreate } from '../core/create-statement.ts'
import { NO_DEFINITIONS } from '../core/definitions.ts'
import type { ObjectEntry, QueueOffset, ServerEntry } from '../core/definitions.ts'
import type { BackupContents, TableEntry } from '../core/manifest.ts'
import { innerName, nameKey } from '../core/restore-names.ts'
import type { RestoreMode } from '../core/restore-plan.ts'
import { selectsEverything, selectTables } from '../core/selector.ts'
import type { PartitionChoice, Selector } from '../core/selector.ts'

export interface SelectionChoice {
  readonly selector: Selector
  readonly partitions: readonly PartitionChoice[]
  readonly mode: RestoreMode
}

export interface RestoreSelection {
  readonly tables: readonly TableEntry[]
  /** Nothing where only data is meant. */
  readonly objects: readonly ObjectEntry[]
  /** What belongs to no table comes only with everything. */
  readonly server: readonly ServerEntry[]
  /** Of the queues that are meant. */
  readonly offsets: readonly QueueOffset[]
}

/** What of a backup is meant. A materialized view brings the table that it keeps its rows in. */
export function restoreSelection(
  { tables, definitions = NO_DEFINITIONS }: Pick<BackupContents, 'tables' | 'definitions'>,
  { selector, partitions, mode }: SelectionChoice,
): RestoreSelection {
  const dataOnly = mode === 'data' || mode === 'detached' || partitions.length > 0
  const selected = selectTables<TableEntry | ObjectEntry>(selector, [...tables, ...definitions.objects])
  const keys = new Set(selected.map(nameKey))
  const objects = definitions.objects.filter((object) => keys.has(nameKey(object)))
  for (const view of objects.filter(isMaterializedView)) keys.add(nameKey(innerName(view, view.uuid)))
  return {
    tables: tables.filter((table) => keys.has(nameKey(table))),
    objects: dataOnly ? [] : objects,
    offsets: dataOnly ? [] : definitions.offsets.filter(({ queue }) => keys.has(nameKey(queue))),
    server: !dataOnly && selectsEverything(selector) ? definitions.server : [],
  }
}

function isMaterializedView({ create }: ObjectEntry): boolean {
  return readCreate(create).kind === 'MATERIALIZED VIEW'
}
