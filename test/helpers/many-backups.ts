import { makeBackupId } from '../../src/core/backup-id.ts'
import type { BackupSummary } from '../../src/core/manifest.ts'
import { prepareBackup, readContents, readReach } from '../../src/repository/backups.ts'
import { metaWriter } from '../../src/repository/meta-writer.ts'
import type { Repository } from '../../src/repository/repository.ts'

const AT_ONCE = 50

/** Years of backups: records like that of a backup that was made, of the same contents, an hour apart. */
export async function manyBackups(
  repository: Repository,
  {
    like,
    count,
    random,
  }: { readonly like: BackupSummary; readonly count: number; readonly random: (size: number) => Uint8Array },
): Promise<void> {
  const contents = await readContents(repository, like.id)
  const reach = await readReach(repository, like.id)
  const meta = metaWriter(repository, { session: like.session, random })
  const add = async (hours: number): Promise<void> => {
    const at = new Date(Date.parse(like.started) - hours * 3_600_000)
    const times = { started: at.toISOString(), finished: new Date(at.getTime() + 60_000).toISOString() }
    const summary = { ...like, ...times, id: makeBackupId(at, random(6)) }
    const prepared = await prepareBackup(repository, { summary, contents }, { meta, random })
    await prepared.commit(reach?.announcement ?? '')
  }
  for (let first = 1; first <= count; first += AT_ONCE)
    await Promise.all(Array.from({ length: Math.min(AT_ONCE, count - first + 1) }, (_, index) => add(first + index)))
}
