import { ageOf } from '../../src/core/units.ts'
import { now } from '../now.ts'

/** How long ago. */
export function Age({ at }: { readonly at: string }) {
  return (
    <time dateTime={at} title={at}>
      {ageOf(at, new Date(Math.max(now.value, Date.parse(at))))}
    </time>
  )
}
