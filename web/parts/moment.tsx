import { signal } from '@preact/signals'
import { ageOf } from '../../src/core/units.ts'
import { formatTime } from '../format.ts'

/** The time at hand, moving on by itself: ages on a page that stays open stay true. */
export const now = signal(Date.now())
setInterval(() => {
  now.value = Date.now()
}, 20_000)

/** A moment. */
export function Moment({ at }: { readonly at: string }) {
  return (
    <time dateTime={at} title={at}>
      {formatTime(at)}
    </time>
  )
}

/** How long ago. */
export function Age({ at }: { readonly at: string }) {
  return (
    <time dateTime={at} title={at}>
      {ageOf(at, new Date(Math.max(now.value, Date.parse(at))))}
    </time>
  )
}
