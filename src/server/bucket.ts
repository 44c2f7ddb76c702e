/** So many at once, and so many a second; by whoever asks. */
export interface Bucket {
  /** Is there one left? It is taken. */
  take(key: string): boolean
  /** Is there one left? It is not taken. */
  has(key: string): boolean
}

/** A bound on what is remembered: who is forgotten begins with a full bucket. */
const MOST_KEYS = 10_000

export function createBucket(
  { capacity, perSecond }: { readonly capacity: number; readonly perSecond: number },
  clock: () => Date,
): Bucket {
  const levels = new Map<string, { level: number; at: number }>()
  const refill = (key: string): { level: number; at: number } => {
    const now = clock().getTime()
    const known = levels.get(key) ?? { level: capacity, at: now }
    const level = Math.min(capacity, known.level + ((now - known.at) / 1000) * perSecond)
    const fresh = { level, at: now }
    levels.delete(key)
    levels.set(key, fresh)
    const [oldest] = levels.keys()
    if (levels.size > MOST_KEYS && oldest !== undefined) levels.delete(oldest)
    return fresh
  }
  return {
    has: (key) => refill(key).level >= 1,
    take: (key) => {
      const state = refill(key)
      if (state.level < 1) return false
      state.level -= 1
      return true
    },
  }
}
