import { readHolds } from '../operations/forget.ts'
import { readProofs } from '../repository/attestations.ts'
import type { Attestation } from '../repository/attestations.ts'
import { listBackups } from '../repository/backups.ts'
import type { ListedBackup } from '../repository/backups.ts'
import type { Repository } from '../repository/repository.ts'
import type { ListedBackupAnswer } from './contract/backups.ts'

/** The list of backups, with what is known of each. */
export interface BackupIndex {
  list(which?: 'kept' | 'forgotten'): Promise<readonly ListedBackupAnswer[]>
}

/** Records never change, and their names never return: each is read once, and after that a listing is enough. */
export function backupIndex(open: () => Promise<Repository>, clock: () => Date): BackupIndex {
  const backups = new Map<string, ListedBackup>()
  const attestations = new Map<string, Attestation | undefined>()
  return {
    list: async (which = 'kept') => {
      const repository = await open()
      const listed = await listBackups(repository, { which, known: backups })
      const proofs = await readProofs(repository, { known: attestations })
      const holds = await readHolds(repository, clock())
      return listed.map((backup): ListedBackupAnswer => {
        if (backup.outcome === 'damaged') return backup
        const held = holds.get(backup.id)?.toISOString()
        return { outcome: 'read', ...backup.summary, ...proofs.get(backup.id), ...(held && { heldUntil: held }) }
      })
    },
  }
}
