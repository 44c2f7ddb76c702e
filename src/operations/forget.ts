import { PermafrostError } from '../core/errors.ts'
import type { BackupSummary } from '../core/manifest.ts'
import { decideRetention, HOLD, isEmptyPolicy } from '../core/retention.ts'
import type { Candidate, Decision, RetentionPolicy } from '../core/retention.ts'
import { isProven, readProofs } from '../repository/attestations.ts'
import { listBackups } from '../repository/backups.ts'
import { forget } from '../repository/forgotten.ts'
import { readPins } from '../repository/marks.ts'
import type { Repository } from '../repository/repository.ts'
import type { Context } from './context.ts'

export interface ForgetOptions {
  /** Ids; without any, the policy decides. */
  readonly ids: readonly string[]
  readonly policy: RetentionPolicy
  /** Only backups of this host, or with this tag, are looked at. */
  readonly host?: string | undefined
  readonly tag?: string | undefined
  /** Seconds in which it can be taken back. */
  readonly grace: number
}

export interface ForgetDecision extends Decision {
  readonly summary: BackupSummary
}

export interface ForgetPlan {
  readonly decisions: readonly ForgetDecision[]
  readonly forget: readonly string[]
  /** Until then it can be taken back. */
  readonly until: string
}

export interface PreparedForget {
  readonly plan: ForgetPlan
  run(): Promise<void>
}

/**
 * Decide which backups to forget. Nothing is changed until the plan is run, and what it forgets can be taken back until a
 * prune after the grace period.
 *
 * @throws USAGE for an empty policy, NOT_FOUND, CONFLICT for a backup that is held or the last of its server
 */
export async function prepareForget(
  ctx: Pick<Context, 'repository' | 'clock' | 'random' | 'self'>,
  { ids, policy, host, tag, grace }: ForgetOptions,
): Promise<PreparedForget> {
  const { repository, clock, random, self } = ctx
  const now = clock()
  const all = await candidatesOf(repository, now)
  const chosen = all.filter(
    ({ summary }) => (host === undefined || summary.host === host) && (tag === undefined || summary.tags.includes(tag)),
  )
  const decisions = ids.length > 0 ? byId(all, ids, now) : byPolicy(chosen, policy, now)
  const until = new Date(now.getTime() + grace * 1000).toISOString()
  const doomed = decisions.filter(({ keep }) => !keep).map(({ id }) => id)
  const run = async (): Promise<void> => {
    const reasons = new Map(decisions.map((decision) => [decision.id, decision.reasons.join(', ')]))
    for (const backup of doomed) {
      const reason = ids.length > 0 ? 'by hand' : (reasons.get(backup) ?? '')
      await forget(repository, { backup, by: self.host, at: now.toISOString(), reason, notBefore: until }, random)
    }
  }
  return { plan: { decisions, forget: doomed, until }, run }
}

interface Judged {
  readonly summary: BackupSummary
  readonly candidate: Candidate
}

async function candidatesOf(repository: Repository, now: Date): Promise<readonly Judged[]> {
  const proofs = await readProofs(repository)
  const holds = await readHolds(repository, now)
  return (await listBackups(repository)).flatMap((backup): readonly Judged[] => {
    // What does not read is nobody's to judge: it stays until somebody forgets it by its id.
    if (backup.outcome === 'damaged') return []
    const { summary } = backup
    const candidate: Candidate = {
      id: summary.id,
      started: new Date(summary.started),
      host: summary.host,
      set: [...summary.selection].sort().join(' '),
      tags: summary.tags,
      complete: summary.status === 'complete',
      proven: isProven(proofs.get(summary.id) ?? {}),
      heldUntil: holds.get(summary.id),
    }
    return [{ summary, candidate }]
  })
}

/** Backups that somebody holds on to, and until when. */
export async function readHolds(repository: Repository, now: Date): Promise<ReadonlyMap<string, Date>> {
  const holds = new Map<string, Date>()
  for (const { backup, until, reason } of await readPins(repository)) {
    const date = new Date(until)
    if (reason === HOLD && date > now && date > (holds.get(backup) ?? now)) holds.set(backup, date)
  }
  return holds
}

function byPolicy(judged: readonly Judged[], policy: RetentionPolicy, now: Date): readonly ForgetDecision[] {
  if (isEmptyPolicy(policy)) {
    throw new PermafrostError('USAGE', 'neither a backup nor a policy is given: nothing says what to keep', {
      hint: [
        'permafrost forget <backup>',
        'permafrost forget --keep-daily 14 --keep-monthly 12',
        'or set retention in the configuration',
      ],
    })
  }
  const decisions = decideRetention(
    judged.map(({ candidate }) => candidate),
    policy,
    now,
  )
  return decisions.map((decision, index) => ({ ...decision, summary: (judged[index] as Judged).summary }))
}

function byId(judged: readonly Judged[], ids: readonly string[], now: Date): readonly ForgetDecision[] {
  const wanted = new Set(ids)
  const found = judged.filter(({ summary }) => wanted.has(summary.id))
  for (const { candidate } of found) {
    if (!candidate.heldUntil || candidate.heldUntil <= now) continue
    throw new PermafrostError('CONFLICT', `backup ${candidate.id} is held until ${candidate.heldUntil.toISOString()}`, {
      hint: 'permafrost list',
    })
  }
  const left = new Set(judged.filter(({ summary }) => !wanted.has(summary.id)).map(({ summary }) => summary.host))
  const last = found.find(({ summary }) => !left.has(summary.host))
  if (last) {
    throw new PermafrostError('CONFLICT', `no backup of ${last.summary.host} would be left`, {
      hint: 'permafrost backup, and then forget the older one',
    })
  }
  return found.map(({ summary }) => ({ id: summary.id, keep: false, reasons: ['expired'], summary }))
}
