import { PermafrostError } from '../core/errors.ts'
import { backupIds } from '../repository/backups.ts'
import type { Repository } from '../repository/repository.ts'
import { findBackup } from '../operations/find-backup.ts'

/** Ids of the backups that were named, of all, or of the latest. @throws USAGE, NOT_FOUND */
export async function chosenBackups(
  repository: Repository,
  names: readonly string[],
  all: boolean,
): Promise<readonly string[]> {
  if (all && names.length > 0) throw new PermafrostError('USAGE', '--all and the name of a backup exclude one another')
  if (!all)
    return Promise.all(
      (names.length > 0 ? names : ['latest']).map(async (name) => (await findBackup(repository, name)).id),
    )
  const ids = await backupIds(repository)
  if (ids.length > 0) return ids
  throw new PermafrostError('NOT_FOUND', 'the repository holds no backup yet', { hint: 'permafrost backup' })
}
