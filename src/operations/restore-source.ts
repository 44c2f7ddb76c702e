import type { PendingMutation } from '../core/definitions.ts'
import type { BackupContents, PartEntry, PartitionFacts, TableFacts, TableSchema } from '../core/manifest.ts'
import type { RestoreSelection, SelectionChoice } from './restore-selection.ts'
import type { WantedTable } from '../core/restore-plan.ts'
import type { LoadRequest } from './load-queue.ts'
import type { PartCheck } from '../repository/part-checker.ts'

/** Where a restore takes its tables from: a backup in a repository, or a local snapshot. */
export interface RestoreSource {
  /** As the user names it. */
  readonly name: string
  /** Whether what it holds must move, and so needs space. */
  readonly moves: boolean
  read(choice: SelectionChoice): Promise<SourceContents>
  /** Opened once for a whole restore. @param onBytes called as bytes arrive */
  open(onBytes: (bytes: number) => void): PartLoader
  /** Do some work, and keep the source until it is done. */
  keep<T>(work: () => Promise<T>): Promise<T>
}

export interface SourceContents extends Pick<BackupContents, 'databases'>, Omit<RestoreSelection, 'tables'> {
  readonly tables: readonly SourceTable[]
  /** That its parts still wait for. */
  readonly mutations: readonly PendingMutation[]
  /** The version of the ClickHouse that it is of. */
  readonly clickhouse: string
}

export interface SourceTable {
  readonly entry: TableFacts
  readonly schema: TableSchema
  readonly partitions: readonly PartitionFacts[]
  /** Those of some of its partitions. @throws DAMAGED */
  parts(partitions: ReadonlySet<string>): Promise<readonly PartEntry[]>
}

/** A table of the source, with the partitions that are wanted. */
export type ChosenTable = SourceTable & Pick<WantedTable, 'some'>

/** Brings parts to where they are staged. */
export interface PartLoader extends AsyncDisposable {
  /** @param onLoaded called for each part, one after another, each exactly once */
  load(requests: readonly LoadRequest[], onLoaded: (request: LoadRequest, result: PartCheck) => void): Promise<void>
}
