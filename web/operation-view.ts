import type { LogEntry, Operation } from './types.ts'

type Progress = NonNullable<Operation['progress']>
type Said = Extract<LogEntry, { readonly type: 'phase' | 'finding' }>

/** How many bytes were done at a time. */
interface Sample {
  readonly at: number
  readonly bytes: number
}

/** An operation as a person follows it: made from its log, one entry after the other. */
export interface OperationView {
  readonly operation?: Operation
  /** Phases and findings, in order. */
  readonly said: readonly Said[]
  readonly progress?: Progress
  /** Of the phase at hand. */
  readonly samples: readonly Sample[]
  /** Sequence number of the last entry. */
  readonly seq: number
}

export const NOTHING_YET: OperationView = { said: [], samples: [], seq: -1 }

/** For a curve as wide as the page. */
const MOST_SAMPLES = 300
/** Milliseconds over which the rate is taken: long enough to read, short enough to see a stall. */
const WINDOW = 8000

/** What one more entry makes of the view. Entries that were seen before change nothing: streams replay. */
export function addEntry(view: OperationView, entry: LogEntry): OperationView {
  if (entry.seq <= view.seq) return view
  const { seq } = entry
  switch (entry.type) {
    case 'operation':
      return { ...view, seq, operation: entry.operation }
    case 'phase':
      return { ...view, seq, said: [...view.said, entry], samples: [] }
    case 'finding':
      return { ...view, seq, said: [...view.said, entry] }
    case 'progress': {
      const { phase, done, total, current } = entry
      const before = view.progress?.phase === phase ? view.samples : []
      const sample = { at: Date.parse(entry.at), bytes: done.bytes }
      return {
        ...view,
        seq,
        progress: { phase, done, total, current },
        samples: [...before, sample].slice(-MOST_SAMPLES),
      }
    }
  }
}

/** Bytes a second over the last seconds; nothing before there are two samples. */
export function rateOf({ samples }: Pick<OperationView, 'samples'>): number | undefined {
  const last = samples.at(-1)
  const first = samples.find(({ at }) => last && last.at - at <= WINDOW)
  return first && last && last.at > first.at ? ((last.bytes - first.bytes) * 1000) / (last.at - first.at) : undefined
}

/** Seconds that are left at the present rate. */
export function secondsLeft(view: OperationView): number | undefined {
  const rate = rateOf(view)
  return rate && view.progress ? (view.progress.total.bytes - view.progress.done.bytes) / rate : undefined
}

/** The rate between each two samples, for a curve. */
export function ratesOf({ samples }: Pick<OperationView, 'samples'>): readonly number[] {
  return samples.slice(1).flatMap(({ at, bytes }, index) => {
    const before = samples[index]
    return before && at > before.at ? [Math.max(0, ((bytes - before.bytes) * 1000) / (at - before.at))] : []
  })
}
