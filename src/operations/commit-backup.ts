import { PermafrostError } from '../core/errors.ts'
import type { BackupSummary } from '../core/manifest.ts'
import { prepareBackup } from '../repository/backups.ts'
import type { Manifest, PreparedBackup } from '../repository/backups.ts'
import { forget } from '../repository/forgotten.ts'
import { handshake } from '../repository/handshake.ts'
import type { Commitment, HandshakeOutcome } from '../repository/handshake.ts'
import { readJournals } from '../repository/journal.ts'
import type { Journal, Journals } from '../repository/journal.ts'
import type { MetaWriter } from '../repository/meta-writer.ts'
import type { Reachable } from '../repository/reachable.ts'
import type { Session } from '../repository/session.ts'
import type { Context } from './context.ts'
import { clearJournals, goneKeys } from './interrupted.ts'

/** A collector that is faster than a writer again and again is no race any more. */
const TRIES = 5

/** Whose backup it is, and what was begun for it. */
export interface BackupWriter {
  readonly session: Session
  readonly meta: MetaWriter
  readonly journal: Journal
  readonly reach: Reachable
  /** Keys that must not be pointed to; what is lost on the way is added. */
  readonly avoid: Set<string>
  readonly interrupted: Journals
  readonly server: { readonly id: string; readonly host: string }
}

/**
 * Announce, look, and commit a backup.
 *
 * @param manifest stores everything and says what the backup is; asked again when a collector was faster
 * @throws CONFLICT when taken for dead
 */
export async function commitBackup(
  ctx: Pick<Context, 'repository' | 'random' | 'clock' | 'signal' | 'emit' | 'self'>,
  { session, meta, journal, reach, avoid, interrupted, server }: BackupWriter,
  manifest: (journals: Journals) => Promise<Manifest>,
): Promise<BackupSummary> {
  const { repository, random, clock } = ctx
  let made: { readonly summary: BackupSummary; readonly prepared: PreparedBackup } | undefined
  const commitment: Commitment = {
    prepare: async (lost) => {
      for (const key of lost) avoid.add(key)
      // The second time, what this session stored before is in its own journal.
      const journals = lost.size === 0 ? interrupted : await readJournals(repository, server.id)
      const whole = await manifest(journals)
      const prepared = await prepareBackup(repository, whole, { meta, random })
      made = { summary: whole.summary, prepared }
      await journal.flush()
      return { blocks: prepared.blocks, reach: await reach.from(prepared.blocks) }
    },
    commit: async (announcement) => made?.prepared.commit(announcement),
    withdraw: async () => {
      const now = clock().toISOString()
      const withdrawn = {
        backup: made?.summary.id ?? '',
        by: server.host,
        at: now,
        notBefore: now,
        reason: 'withdrawn',
      }
      await forget(repository, withdrawn, random)
    },
  }
  const outcome = await handshake(repository, commitment, { ...ctx, session: session.id, tries: TRIES }).catch(
    async (error: unknown) => {
      // The next run goes on from what is written down; when even that fails, the first error is the one to hear of.
      await journal.flush().catch(() => undefined)
      throw error
    },
  )
  if (outcome !== 'committed' || !made) throw notCommitted(outcome)
  await clearJournals(ctx, [...journal.keys, ...goneKeys(interrupted, ctx.self)])
  return made.summary
}

function notCommitted(outcome: HandshakeOutcome): PermafrostError {
  const again = { hint: 'run it again: what it stored is not stored twice' }
  if (outcome === 'revoked')
    return new PermafrostError('CONFLICT', 'the backup was taken for dead while it ran, and is withdrawn', again)
  return new PermafrostError('CONFLICT', 'prune kept condemning what the backup was about to point to', again)
}
