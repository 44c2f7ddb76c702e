import pLimit from 'p-limit'
import { beginCommit, nextCommit } from '../core/commit-steps.ts'
import type { CommitState } from '../core/commit-steps.ts'
import { layout } from '../core/layout.ts'
import { announce, readCondemned, revokedNames } from './marks.ts'
import type { Held, Random } from './marks.ts'
import { reachable } from './reachable.ts'
import type { Objects } from './reachable.ts'
import type { Repository } from './repository.ts'
import { listPacks } from './list-packs.ts'

/** What is to be made true: a backup, a pin, a `forget` that is taken back. */
export interface Commitment {
  /**
   * See to it that everything is stored, and say what will be reached. Called again, with the keys that were lost, when a
   * collector was faster: what lay in them is to be stored under new names.
   */
  prepare(lost: ReadonlySet<string>): Promise<Prepared>
  /** Make it true, for an announcement. */
  commit(announcement: string): Promise<void>
  /** Make it untrue again: the announcement had been revoked. */
  withdraw(): Promise<void>
}

export interface Prepared extends Held {
  /**
   * What must be there. Of a live backup it may be left out: while nothing at all is condemned, its record is proof enough
   * that what it reaches is there.
   */
  readonly reach?: Objects | undefined
  /** Whether `backup` is as it must be; asked after condemned names were listed. */
  isBackupThere?(): Promise<boolean>
}

export interface HandshakeOptions {
  readonly session: string
  /** How often to prepare; 1 for what cannot be stored again. */
  readonly tries: number
  readonly random: Random
  readonly clock: () => Date
  readonly signal: AbortSignal
}

export type HandshakeOutcome = 'committed' | 'revoked' | 'gave-up'

/**
 * Do the requests of the commit handshake (core/commit-steps.ts). An announcement that a killed or failed run leaves behind
 * costs space for a day, until a collector revokes it.
 */
export async function handshake(
  repository: Repository,
  commitment: Commitment,
  { session, tries, random, clock, signal }: HandshakeOptions,
): Promise<HandshakeOutcome> {
  let prepared = await commitment.prepare(new Set())
  let state = beginCommit('alone')
  const announced: string[] = []
  while (state.at !== 'end') {
    // What was committed is said to be, and what was not is withdrawn: from then on a wish to stop comes too late.
    if (state.at === 'announce' || state.at === 'commit') signal.throwIfAborted()
    if (state.at === 'store-again') prepared = await commitment.prepare(new Set(state.lost))
    if (state.at === 'announce') announced.push(`${session}.${state.attempt}`)
    const seen = await request(repository, state, { commitment, prepared, announced, random, clock })
    if (state.at === 'list-condemned' && seen.size > 0 && !prepared.reach)
      prepared = { ...prepared, reach: await reachable(repository).from(prepared.blocks) }
    state = nextCommit(state, seen, { role: 'alone', needs: needsOf(prepared), tries })
  }
  if (state.outcome === 'ready') throw new Error('only nodes of a set are ready')
  return state.outcome
}

interface Request extends Pick<HandshakeOptions, 'random' | 'clock'> {
  readonly commitment: Commitment
  readonly prepared: Prepared
  /** Names; the last is this attempt's. */
  readonly announced: readonly string[]
}

const NOTHING: ReadonlySet<string> = new Set()

/** The one request of a step, and what was seen by it. */
async function request(
  repository: Repository,
  { at }: CommitState,
  { commitment, prepared, announced, random, clock }: Request,
): Promise<ReadonlySet<string>> {
  const name = announced.at(-1) ?? ''
  switch (at) {
    case 'announce':
      await announce(repository, { name, at: clock().toISOString(), ...prepared }, random)
      return NOTHING
    case 'list-condemned':
      return new Set((await readCondemned(repository)).flatMap(({ objects }) => objects))
    case 'list-objects':
      return objectsThere(repository, prepared)
    case 'commit':
      await commitment.commit(name)
      return NOTHING
    case 'check-revoked': {
      const revoked = await revokedNames(repository)
      return new Set(announced.filter((one) => revoked.has(one)))
    }
    case 'withdraw':
      await commitment.withdraw()
      return NOTHING
    case 'drop':
      await repository.storage.delete(announced.map(layout.pending.key))
      return NOTHING
    case 'store-again':
    case 'end':
      return NOTHING
    case 'ready':
    case 'await-ready':
      throw new Error('only nodes of a set wait for one another')
  }
}

function needsOf({ reach, backup }: Prepared): readonly string[] {
  return [...(reach?.keys() ?? []), ...(backup === undefined ? [] : [layout.backups.key(backup)])]
}

/** What is there of what is needed, with the size that it should have: every commit takes this inventory (level L0). */
async function objectsThere(repository: Repository, prepared: Prepared): Promise<ReadonlySet<string>> {
  const { reach, backup } = prepared
  const there = new Set<string>()
  if (reach) {
    for (const { key, size } of (await listPacks(repository)).values()) {
      const expected = reach.get(key)
      if (reach.has(key) && (expected === undefined || expected === size)) there.add(key)
    }
    // A list may lag behind what was put a moment ago; a look at the object itself does not.
    const limit = pLimit(repository.storage.traits.connections)
    const look = async (key: string, expected: number | undefined): Promise<void> => {
      const found = await repository.storage.head(key)
      if (found && (expected === undefined || expected === found.size)) there.add(key)
    }
    const unlisted = [...reach].filter(([key]) => !there.has(key))
    await Promise.all(unlisted.map(([key, expected]) => limit(() => look(key, expected))))
  }
  if (backup !== undefined && (await prepared.isBackupThere?.())) there.add(layout.backups.key(backup))
  return there
}
