import { signal } from '@preact/signals'

/** The time at hand, moving on by itself: ages on a page that stays open stay true. */
export const now = signal(Date.now())
setInterval(() => {
  now.value = Date.now()
}, 20_000)
