/**
 * The commit handshake, as a function from what was seen to what to do next: a writer announces what it will point to, looks
 * whether all of it is there and none of it condemned, and only then makes it true. The same steps serve a backup, a pin and
 * taking back a `forget`; a host does the requests (repository/handshake.ts), and the model checker explores these very steps.
 *
 * Why it is safe: a collector condemns before it looks at announcements, and a writer announces before it looks at what is
 * condemned. So of two that meet, at least one sees the other. The order inside each look matters, too: announcements before
 * backups, condemnations before packs.
 */
export type CommitState =
  /** PUT `pending/<announcement>`: everything that will be reached. */
  | { readonly at: 'announce'; readonly attempt: number }
  | { readonly at: 'list-condemned'; readonly attempt: number }
  /** What of it is condemned is known; now LIST what is there, which must come later. */
  | { readonly at: 'list-objects'; readonly attempt: number; readonly condemned: readonly string[] }
  /** Store these again under new names: a condemned name never comes back. */
  | { readonly at: 'store-again'; readonly attempt: number; readonly lost: readonly string[] }
  /** A node of a set says that it has announced and looked; the coordinator commits for all. */
  | { readonly at: 'ready'; readonly attempt: number }
  | { readonly at: 'await-ready'; readonly attempt: number }
  /** PUT what makes it true, create-only. */
  | { readonly at: 'commit'; readonly attempt: number }
  /** GET `revoked/` for every announcement that was made: one that was revoked protects nothing. */
  | { readonly at: 'check-revoked'; readonly attempt: number }
  | { readonly at: 'withdraw'; readonly attempt: number }
  /** DELETE the announcements. */
  | { readonly at: 'drop'; readonly outcome: CommitOutcome }
  | { readonly at: 'end'; readonly outcome: CommitOutcome }

export type CommitOutcome =
  | 'committed'
  /** A node of a set: its part is done. */
  | 'ready'
  /** Somebody took this writer for dead. Its work is lost, its data is not. */
  | 'revoked'
  /** Others condemned what it needs again and again. */
  | 'gave-up'

/** Who commits: a writer by itself, a node of a set, or the one that commits for all nodes of it. */
export type CommitRole = 'alone' | 'node' | 'coordinator'

export interface CommitTerms {
  readonly role: CommitRole
  /** Keys of everything that will be reached. */
  readonly needs: readonly string[]
  /** Announcements that may be made before giving up. */
  readonly tries: number
}

/**
 * What was seen by the step's own request: keys that are condemned, keys that are there, ready nodes that are missing, or
 * announcements that are revoked. Empty for steps that only write.
 */
export type Seen = ReadonlySet<string>

export function beginCommit(role: CommitRole): CommitState {
  return { at: role === 'coordinator' ? 'await-ready' : 'announce', attempt: 1 }
}

/** The next step. */
export function nextCommit(state: CommitState, seen: Seen, { role, needs, tries }: CommitTerms): CommitState {
  switch (state.at) {
    case 'announce':
      return { at: 'list-condemned', attempt: state.attempt }
    case 'list-condemned':
      return { at: 'list-objects', attempt: state.attempt, condemned: needs.filter((key) => seen.has(key)) }
    case 'list-objects':
      return afterLook(state, seen, { role, needs, tries })
    case 'store-again':
      return { at: 'announce', attempt: state.attempt + 1 }
    case 'ready':
      // Its announcement stays until the coordinator has committed.
      return { at: 'end', outcome: 'ready' }
    case 'await-ready':
      return seen.size > 0 ? state : { at: 'commit', attempt: state.attempt }
    case 'commit':
      return { at: 'check-revoked', attempt: state.attempt }
    case 'check-revoked':
      return seen.size > 0 ? { at: 'withdraw', attempt: state.attempt } : { at: 'drop', outcome: 'committed' }
    case 'withdraw':
      return { at: 'drop', outcome: 'revoked' }
    case 'drop':
    case 'end':
      return { at: 'end', outcome: state.outcome }
  }
}

function afterLook(
  { attempt, condemned }: Extract<CommitState, { at: 'list-objects' }>,
  seen: Seen,
  { role, needs, tries }: CommitTerms,
): CommitState {
  const avoid = new Set(condemned)
  const lost = needs.filter((key) => avoid.has(key) || !seen.has(key))
  if (lost.length === 0) return { at: role === 'node' ? 'ready' : 'commit', attempt }
  return attempt < tries ? { at: 'store-again', attempt, lost } : { at: 'drop', outcome: 'gave-up' }
}
