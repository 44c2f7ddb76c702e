/** The stages of an operation, in the order in which a person meets them. */
export type Phase =
  | 'check'
  | 'freeze'
  | 'scan'
  | 'store'
  | 'commit'
  | 'plan'
  | 'create'
  | 'fetch'
  | 'attach'
  | 'verify'
  | 'clean'

export type Severity = 'note' | 'warning' | 'incomplete' | 'damage'

/**
 * Something that the user should know and that did not stop the work.
 * `note`: fine, but good to know · `warning`: look at it · `incomplete`: data is not in the backup or not restored
 * (exit code 3) · `damage`: bytes are wrong or missing (exit code 13 where that is the question asked, else 3).
 */
export interface Finding {
  readonly severity: Severity
  /** What it is about: `db.table`, `db.table part/file`, a pack, a disk. */
  readonly object: string
  readonly message: string
  /** What to do about it, where there is something to do. */
  readonly hint?: string
}

export interface Progress {
  readonly type: 'progress'
  readonly phase: Phase
  readonly done: { readonly bytes: number; readonly parts: number }
  readonly total: { readonly bytes: number; readonly parts: number }
  /** The part at hand. */
  readonly current: string
}

/** Everything that an operation says on its way. One union feeds the terminal, the plain log, NDJSON and, later, SSE. */
export type Event =
  | { readonly type: 'phase'; readonly phase: Phase; readonly message: string }
  | Progress
  | ({ readonly type: 'finding' } & Finding)
  | { readonly type: 'debug'; readonly message: string }

export type Emit = (event: Event) => void

/** Collect findings while passing every event on: operations return what they found, and say it at once. */
export function collectFindings(emit: Emit): { readonly emit: Emit; readonly findings: Finding[] } {
  const findings: Finding[] = []
  return {
    findings,
    emit: (event) => {
      if (event.type === 'finding') {
        const { type: _, ...finding } = event
        findings.push(finding)
      }
      emit(event)
    },
  }
}
