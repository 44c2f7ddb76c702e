import { begin, successors, violation } from './world.ts'
import type { Protocol, Scope, World } from './world.ts'

export interface Explored {
  readonly states: number
  readonly transitions: number
  /** The shortest way to a broken world: its steps, and what is wrong at their end. */
  readonly broken?: { readonly what: string; readonly steps: readonly string[] }
}

/** Breadth first through every world that can come about. */
export function explore(scope: Scope, protocol: Protocol, limit = Infinity): Explored {
  const seen = new Set<string>()
  let frontier: { readonly world: World; readonly from: Trace | undefined }[] = [
    { world: begin(scope), from: undefined },
  ]
  let transitions = 0
  seen.add(JSON.stringify(begin(scope)))
  while (frontier.length > 0) {
    const next: typeof frontier = []
    for (const { world, from } of frontier) {
      for (const [label, after] of successors(world, scope, protocol)) {
        transitions++
        const key = JSON.stringify(after)
        if (seen.has(key)) continue
        seen.add(key)
        const trace: Trace = { label, from }
        const what = violation(after)
        if (what) return { states: seen.size, transitions, broken: { what, steps: stepsOf(trace) } }
        next.push({ world: after, from: trace })
        if (seen.size > limit) throw new Error(`more than ${limit} states`)
      }
    }
    frontier = next
  }
  return { states: seen.size, transitions }
}

interface Trace {
  readonly label: string
  readonly from: Trace | undefined
}

function stepsOf(trace: Trace): readonly string[] {
  const steps: string[] = []
  for (let at: Trace | undefined = trace; at; at = at.from) steps.push(at.label)
  return steps.toReversed()
}
