import { proposedName } from '../restore-request.ts'
import type { RestoreForm, RestoreMode } from '../restore-request.ts'
import { may } from '../session.ts'

const MODES: readonly (readonly [RestoreMode, string, string])[] = [
  ['beside', 'Beside the live tables', 'under another name; nothing that is there is touched'],
  ['free', 'Under their own names', 'for what was dropped: refused where a name is taken'],
  [
    'replace',
    'Replace the live tables',
    'filled aside, compared, swapped in one step; what was there stays as …_replaced',
  ],
]

/** Where to. */
export function RestoreTarget({
  form,
  onChange,
}: {
  readonly form: RestoreForm
  readonly onChange: (changes: Partial<RestoreForm>) => void
}) {
  return (
    <fieldset>
      <legend class="hidden">Where to</legend>
      {MODES.map(([mode, title, about]) => (
        <label key={mode} class="option">
          <input
            type="radio"
            name="mode"
            checked={form.mode === mode}
            disabled={mode === 'replace' && !may('admin')}
            onChange={() => onChange({ mode })}
          />
          <span>
            {title}
            <span class="dim"> {about}</span>
          </span>
        </label>
      ))}
      {form.mode === 'beside' && (
        <label class="field">
          <span>Database, or database.table for one table</span>
          <input
            type="text"
            spellcheck={false}
            autocomplete="off"
            placeholder={proposedName(form)}
            value={form.as}
            onInput={(event) => onChange({ as: event.currentTarget.value })}
          />
        </label>
      )}
    </fieldset>
  )
}
