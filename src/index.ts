/**
 * Permafrost as a library: the operations that the command line runs, and what they need. A context is made of ports; see
 * cli/compose.ts for how.
 *
 * @example
 * const storage = await openStorage('file:///backups', { clock: () => new Date(), random: randomBytes })
 * const repository = await openRepository(storage, { secret, purpose: 'read' })
 * const backups = await listBackups(repository)
 */
export { ERRORS, PermafrostError } from './core/errors.ts'
export type { ErrorCode, ErrorJson } from './core/errors.ts'
export type { Emit, Event, Finding } from './core/events.ts'
export type { BackupContents, BackupSummary, PartEntry, PartitionEntry, TableEntry } from './core/manifest.ts'
export type { RestorePlan, RestoreStep, RestoreWish } from './core/restore-plan.ts'
export { parsePartitionChoice, parseSelector } from './core/selector.ts'
export type { PartitionChoice, Selector } from './core/selector.ts'
export { sql, trusted } from './core/sql.ts'
export type { Sql, TableName } from './core/sql.ts'
export { embeddedEngine } from './engine/embedded.ts'
export type { EmbeddedOptions } from './engine/embedded.ts'
export type { Engine, ServerInfo } from './engine/engine.ts'
export { thisFreezer } from './engine/freezer.ts'
export { serverEngine } from './engine/server.ts'
export type { ServerOptions } from './engine/server.ts'
export { backup } from './operations/backup.ts'
export type { BackupOptions, BackupResult } from './operations/backup.ts'
export type { Context, Limits } from './operations/context.ts'
export { prepareRestore } from './operations/restore.ts'
export type { PreparedRestore, RestoreOptions, RestoreResult } from './operations/restore.ts'
export { show } from './operations/show.ts'
export type { ShowOptions, ShownBackup } from './operations/show.ts'
export { verify } from './operations/verify.ts'
export type { VerifyLevel, VerifyOptions, VerifyResult } from './operations/verify.ts'
export { listBackups } from './repository/backups.ts'
export type { ListedBackup } from './repository/backups.ts'
export { initRepository, openRepository } from './repository/repository.ts'
export type { InitOptions, Repository } from './repository/repository.ts'
export { nodeDisk } from './storage/node-disk.ts'
export { openStorage } from './storage/open.ts'
export type { Storage } from './storage/storage.ts'
