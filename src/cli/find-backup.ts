import { resolveBackup } from '../core/backup-id.ts'
import { PermafrostError } from '../core/errors.ts'
import type { BackupSummary } from '../core/manifest.ts'
import { listBackups } from '../repository/backups.ts'
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
  const { backup } = resolveBackup(text, readable)
  if (backup.outcome === 'read') return backup.summary
  throw new PermafrostError('DAMAGED', backup.message, { hint: 'permafrost list' })
}
