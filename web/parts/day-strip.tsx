import { plural } from '../../src/core/units.ts'
import { formatDay } from '../format.ts'
import type { Day } from '../types.ts'

const SYMBOLS: Readonly<Record<Day['state'], string>> = {
  ok: '✓',
  incomplete: '!',
  failed: '✕',
  overdue: '✕',
  'none due': '·',
}

/** Which of the states that occur need a word of explanation. */
const MEANS: Readonly<Record<Day['state'], string>> = {
  ok: 'backed up',
  incomplete: 'something is missing',
  failed: 'failed',
  overdue: 'due, and none came',
  'none due': 'none due',
}

/** Thirty days at a glance. A day on which no backup was due is not a day on which one was missed. */
export function DayStrip({
  days,
  chosen,
  onChoose,
}: {
  readonly days: readonly Day[]
  readonly chosen: string | undefined
  readonly onChoose: (day: string | undefined) => void
}) {
  const states = [...new Set(days.map(({ state }) => state))]
  return (
    <div class="strip">
      <ol aria-label="The last 30 days">
        {days.map(({ day, state, backups, failures }) => {
          const failed = failures > 0 ? `, ${plural(failures, 'failure')}` : ''
          const text = `${formatDay(day)}: ${MEANS[state]}, ${plural(backups.length, 'backup')}${failed}`
          return (
            <li key={day}>
              <button
                type="button"
                class={`day ${state.replace(' ', '-')}`}
                title={text}
                aria-label={text}
                aria-pressed={chosen === day}
                onClick={() => onChoose(chosen === day ? undefined : day)}
              >
                {SYMBOLS[state]}
              </button>
            </li>
          )
        })}
      </ol>
      <ul class="legend" aria-label="Legend">
        {states.map((state) => (
          <li key={state}>
            <span class={`day ${state.replace(' ', '-')}`} aria-hidden="true">
              {SYMBOLS[state]}
            </span>
            {MEANS[state]}
          </li>
        ))}
      </ul>
    </div>
  )
}
