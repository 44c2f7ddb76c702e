/** A field for a name that has to be typed. */
export function Typed({
  expected,
  value,
  onType,
}: {
  readonly expected: string
  readonly value: string
  readonly onType: (text: string) => void
}) {
  return (
    <label class="field">
      <span>
        Type <code>{expected}</code> to confirm
      </span>
      <input
        type="text"
        autocomplete="off"
        spellcheck={false}
        value={value}
        onInput={(event) => onType(event.currentTarget.value)}
      />
    </label>
  )
}
