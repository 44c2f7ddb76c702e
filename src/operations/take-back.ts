import { PermafrostError } from '../core/errors.ts'
import { layout } from '../core/layout.ts'
import { readReach } from '../repository/backups.ts'
import { forget, readForgotten } from '../repository/forgotten.ts'
import { handshake } from '../repository/handshake.ts'
import { reachable } from '../repository/reachable.ts'
import type { Context } from './context.ts'

/**
 * Take a `forget` back, by the same handshake as a commit: it holds, or it says that the collector was first.
 *
 * @throws NOT_FOUND when nobody forgot it, or when it is being collected
 */
export async function takeBack(
  { repository, clock, random, signal }: Pick<Context, 'repository' | 'clock' | 'random' | 'signal'>,
  backup: string,
): Promise<void> {
  const marks = (await readForgotten(repository)).get(backup) ?? []
  const found = await readReach(repository, backup)
  if (marks.length === 0 || !found) throw tooLate(`no forgotten backup ${backup}`)
  const { blocks } = found
  const reach = reachable(repository)
  const outcome = await handshake(
    repository,
    {
      prepare: async () => ({
        blocks,
        backup,
        reach: await reach.from(blocks),
        isBackupThere: async () => (await repository.storage.head(layout.backups.key(backup))) !== undefined,
      }),
      commit: () => repository.storage.delete(marks.map(({ key }) => key)),
      withdraw: async () => {
        for (const { key: _, ...mark } of marks) await forget(repository, mark, random)
      },
    },
    { session: Buffer.from(random(16)).toString('hex'), tries: 1, random, clock, signal },
  )
  if (outcome !== 'committed') throw tooLate(`backup ${backup} is being collected: it cannot be taken back`)
}

function tooLate(message: string): PermafrostError {
  return new PermafrostError('NOT_FOUND', message, { hint: 'permafrost list --forgotten' })
}
