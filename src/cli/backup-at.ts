import { PermafrostError } from '../core/errors.ts'
import type { BackupSummary } from '../core/manifest.ts'
import { listBackups } from '../repository/backups.ts'
import type { Repository } from '../repository/repository.ts'
import { findBackup } from '../operations/find-backup.ts'

/**
 * The backup that a moment means: the newest one that was begun by then, and by the end of a day. Anything else names a backup
 * as elsewhere.
 *
 * @throws NOT_FOUND, USAGE, DAMAGED
 */
export async function backupAt(repository: Repository, text: string): Promise<BackupSummary> {
  const moment = momentOf(text)
  if (moment === undefined) return findBackup(repository, text)
  const earlier = (await listBackups(repository)).flatMap((backup) =>
    backup.outcome === 'read' && Date.parse(backup.summary.started) <= moment ? [backup.summary] : [],
  )
  const newest = earlier.at(-1)
  if (newest) return newest
  throw new PermafrostError('NOT_FOUND', `no backup is as old as ${text}`, { hint: 'permafrost list' })
}

/** `2026-11-20`, `2026-11-20T14:00`, `2026-11-20T14:00:00Z`, in UTC. */
function momentOf(text: string): number | undefined {
  const [, day, time] = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d)?)Z?)?$/.exec(text) ?? []
  if (day === undefined) return undefined
  const moment = Date.parse(`${day}T${time ?? '23:59:59.999'}Z`)
  if (!Number.isNaN(moment)) return moment
  throw new PermafrostError('USAGE', `${text} is no day`, { hint: 'write 2026-11-20 or 2026-11-20T14:00' })
}
