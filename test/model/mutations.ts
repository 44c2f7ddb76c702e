import { nextCollect } from '../../src/core/collect-steps.ts'
import type { CollectState } from '../../src/core/collect-steps.ts'
import { nextCommit } from '../../src/core/commit-steps.ts'
import type { CommitState } from '../../src/core/commit-steps.ts'
import { THE_PROTOCOL } from './world.ts'
import type { Protocol, Scope } from './world.ts'

export interface Mutation {
  readonly what: string
  readonly protocol: Protocol
  /** Where it breaks. */
  readonly scope: Scope
}

const ONE: Scope = { writers: 1, tries: 1, collectors: 1, passes: 1 }
const AGAIN: Scope = { ...ONE, tries: 2, passes: 2 }
const TWO_COLLECTORS: Scope = { ...ONE, tries: 1, collectors: 2 }
const SET: Scope = { set: true, tries: 1, collectors: 1, passes: 1 }

/** The protocol, broken in every way that somebody might find harmless. */
export const MUTATIONS: readonly Mutation[] = [
  mutation('a writer lists objects before it lists what is condemned', ONE, {
    nextCommit: (state, seen, terms) => {
      if (state.at === 'announce') return { at: 'list-objects', attempt: state.attempt, condemned: [] }
      if (state.at === 'list-objects') {
        // What is missing travels where condemned names would.
        return {
          at: 'list-condemned',
          attempt: state.attempt,
          missing: terms.needs.filter((key) => !seen.has(key)),
        } as CommitState
      }
      if (state.at !== 'list-condemned') return nextCommit(state, seen, terms)
      const { missing } = state as unknown as { readonly missing: readonly string[] }
      const lost = terms.needs.some((key) => missing.includes(key) || seen.has(key))
      return lost ? { at: 'drop', outcome: 'gave-up' } : { at: 'commit', attempt: state.attempt }
    },
  }),
  mutation('a writer does not announce', ONE, { announces: false }),
  mutation('a writer announces and does not look', ONE, {
    nextCommit: (state, seen, terms) =>
      state.at === 'announce' ? { at: 'commit', attempt: state.attempt } : nextCommit(state, seen, terms),
  }),
  mutation('a collector looks at backups before announcements', ONE, {
    nextCollect: (state, seen) => {
      const after = nextCollect(state, seen)
      if (state.at === 'condemn') return { at: 'look-backups', dead: state.dead }
      if (state.at === 'look-backups')
        return { ...(after as CollectState & { dead: readonly string[] }), at: 'look-announced' }
      if (state.at === 'look-announced')
        return { ...(after as CollectState & { dead: readonly string[] }), at: 'sweep' }
      return after
    },
  }),
  mutation('a collector does not look a second time', ONE, {
    nextCollect: (state, seen) =>
      state.at === 'condemn' ? { at: 'sweep', dead: state.dead } : nextCollect(state, seen),
  }),
  mutation('an announcement goes before the commit', ONE, { dropsEarly: true }),
  mutation('a revocation can be taken back', ONE, { unrevokes: true }),
  mutation('a writer does not look whether it was revoked', ONE, {
    nextCommit: (state, seen, terms) =>
      state.at === 'commit' ? { at: 'drop', outcome: 'committed' } : nextCommit(state, seen, terms),
  }),
  mutation('anybody closes anybody’s condemned record', TWO_COLLECTORS, { isClosable: () => true }),
  mutation('a collector sweeps under somebody else’s condemned record', TWO_COLLECTORS, { adopts: true }),
  mutation('a lost pack comes back under its old name, and is not looked for again', AGAIN, { reusesNames: true }),
  mutation('a coordinator commits on announcements, not on ready', SET, { awaitsReady: false }),
  mutation('a coordinator looks for the revocation of one node only', SET, { checksAll: false }),
]

function mutation(what: string, scope: Scope, broken: Partial<Protocol>): Mutation {
  return { what, scope, protocol: { ...THE_PROTOCOL, ...broken } }
}
