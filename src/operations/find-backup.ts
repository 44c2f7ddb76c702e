import { resolveBackup } from '../core/backup-id.ts'
import type { BackupName } from '../core/backup-id.ts'
import { hasCode, PermafrostError } from '../core/errors.ts'
import type { BackupSummary } from '../core/manifest.ts'
import { backupIds, listBackups } from '../repository/backups.ts'
import type { Repository } from '../repository/repository.ts'

/** The backup that is meant by what was typed. @throws NOT_FOUND, USAGE, DAMAGED when its record does not read */
export async function findBackup(repository: Repository, text: string): Promise<BackupSummary> {
  const backups = await listBackups(repository)
  const named = backups.map((backup) => ({
    id: backup.id,
    host: backup.outcome === 'read' ? backup.summary.host : '',
    backup,
  }))
  const readable = text.startsWith('latest') ? named.filter(({ backup }) => backup.outcome === 'read') : named
  const { backup } = await resolved(repository, text, readable)
  if (backup.outcome === 'read') return backup.summary
  throw new PermafrostError('DAMAGED', backup.message, { hint: 'permafrost list' })
}

/** One that is not there may have been forgotten: say so. */
async function resolved<T extends BackupName>(repository: Repository, text: string, backups: readonly T[]): Promise<T> {
  try {
    return resolveBackup(text, backups)
  } catch (error) {
    if (!hasCode(error, 'NOT_FOUND')) throw error
    const forgotten = (await backupIds(repository, 'forgotten')).find((id) => text.length >= 4 && id.includes(text))
    if (forgotten === undefined) throw error
    throw new PermafrostError('NOT_FOUND', `backup ${forgotten} is forgotten`, {
      hint: `permafrost forget ${forgotten} --undo`,
      cause: error,
    })
  }
}
