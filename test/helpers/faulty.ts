import { aroundCalls } from '../../src/storage/around-calls.ts'
import type { StorageCall } from '../../src/storage/around-calls.ts'
import type { Storage } from '../../src/storage/storage.ts'

/** What goes wrong with a call: thrown before it reaches the store, thrown after, or never answered. */
export type Fault = { readonly before: unknown } | { readonly after: unknown } | 'silence' | undefined

/** A storage whose calls go wrong as the rule says. */
export function faulty(storage: Storage, rule: (call: StorageCall) => Fault): Storage {
  return aroundCalls(storage, async (call, go) => {
    const fault = rule(call)
    if (fault === 'silence') return new Promise(() => undefined)
    if (fault && 'before' in fault) throw fault.before
    const result = await go(call.options)
    if (fault) throw fault.after
    return result
  })
}
