import type { Seen } from './commit-steps.ts'

/**
 * The collector, as a function from what was seen to what to do next: it condemns in public what nothing seems to reach, looks
 * once more, and deletes what is still unreached. A host does the requests (repository/collector.ts), and the model checker
 * explores these very steps together with those of writers.
 */
export type CollectState =
  | { readonly at: 'list-candidates' }
  /** What announcements, pins and journals of running sessions reach. */
  | { readonly at: 'list-announced'; readonly candidates: readonly string[] }
  /** What backups reach that are not forgotten, or not yet for good. */
  | { readonly at: 'list-backups'; readonly candidates: readonly string[] }
  /** PUT `condemned/<own id>`. */
  | { readonly at: 'condemn'; readonly dead: readonly string[] }
  /** The same two looks again, in this order: an announcement goes only after its backup is there. */
  | { readonly at: 'look-announced'; readonly dead: readonly string[] }
  | { readonly at: 'look-backups'; readonly dead: readonly string[] }
  /** DELETE; what is spared by the looks stays. */
  | { readonly at: 'sweep'; readonly dead: readonly string[] }
  /** DELETE its own record: nobody avoids these names any longer, and those that are gone never come back. */
  | { readonly at: 'close' }
  | { readonly at: 'end' }

export const beginCollect: CollectState = { at: 'list-candidates' }

/** The next step. `seen` holds keys: candidates, or what is reached. */
export function nextCollect(state: CollectState, seen: Seen): CollectState {
  switch (state.at) {
    case 'list-candidates':
      return seen.size === 0 ? { at: 'end' } : { at: 'list-announced', candidates: [...seen].sort() }
    case 'list-announced':
      return { at: 'list-backups', candidates: without(state.candidates, seen) }
    case 'list-backups': {
      const dead = without(state.candidates, seen)
      return dead.length === 0 ? { at: 'end' } : { at: 'condemn', dead }
    }
    case 'condemn':
      return { at: 'look-announced', dead: state.dead }
    case 'look-announced':
      return { at: 'look-backups', dead: without(state.dead, seen) }
    case 'look-backups':
      return { at: 'sweep', dead: without(state.dead, seen) }
    case 'sweep':
      return { at: 'close' }
    case 'close':
    case 'end':
      return { at: 'end' }
  }
}

/**
 * May anybody delete this condemned record? Only when all that it names is gone: while one of its names is there, its owner
 * may still be between its look and its sweep, and writers must go on avoiding it.
 */
export function isClosable(condemned: readonly string[], there: Seen): boolean {
  return condemned.every((key) => !there.has(key))
}

function without(keys: readonly string[], seen: Seen): readonly string[] {
  return keys.filter((key) => !seen.has(key))
}
