import type { PendingMutation } from '../core/definitions.ts'
import type { PartEntry } from '../core/manifest.ts'
import type { RestoreStep } from '../core/restore-plan.ts'
import type { TableName } from '../core/sql.ts'
import type { ServerInfo } from '../engine/engine.ts'
import type { Context } from './context.ts'
import type { ProgressMeter } from './progress.ts'
import type { PartLoader } from './restore-source.ts'

export interface RestoreContext extends Omit<Context, 'repository'> {
  readonly info: ServerInfo
  readonly loader: PartLoader
  readonly progress: ProgressMeter
}

/** One table to restore: what the plan says, and the parts that it means. */
export interface TableToRestore {
  readonly step: RestoreStep
  /** Its name in the backup, for messages. */
  readonly source: TableName
  readonly parts: readonly PartEntry[]
  /** What its parts still wait for. */
  readonly mutations: readonly PendingMutation[]
  /** Names this restore of this table, the same in every run of it. */
  readonly key: string
}
