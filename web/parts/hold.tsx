import { useSignal } from '@preact/signals'
import { start } from '../start.ts'
import { Ask } from './ask.tsx'

const DAY = 86_400_000
/** Days that are proposed. */
const PROPOSED = 90

/** Keep a backup, whatever the policy says, until a day that is chosen. */
export function Hold({ id, heldUntil }: { readonly id: string; readonly heldUntil?: string | undefined }) {
  const day = useSignal(dayIn(PROPOSED))
  const tomorrow = dayIn(1)
  return (
    <Ask
      verb="Hold"
      title={`Hold backup ${id}?`}
      scope="operate"
      ready={day.value >= tomorrow}
      act={() => start({ kind: 'hold', backup: id, until: `${day.value}T00:00:00Z` })}
    >
      <label class="field">
        <span>Until (UTC)</span>
        <input
          type="date"
          required
          min={tomorrow}
          value={day.value}
          onInput={(event) => (day.value = event.currentTarget.value)}
        />
      </label>
      <p>
        Nothing forgets it before that day.{' '}
        {heldUntil && `It is held until ${heldUntil.slice(0, 10)} already; the later of the two days counts.`}
      </p>
    </Ask>
  )
}

function dayIn(days: number): string {
  return new Date(Date.now() + days * DAY).toISOString().slice(0, 10)
}
