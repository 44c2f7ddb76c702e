import type { ComponentChildren } from 'preact'

export interface Fact {
  readonly name: string
  readonly value: ComponentChildren
  readonly note?: ComponentChildren
}

/** A few facts side by side. */
export function Facts({ facts, small = false }: { readonly facts: readonly Fact[]; readonly small?: boolean }) {
  return (
    <dl class={small ? 'facts small' : 'facts'}>
      {facts.map(({ name, value, note }) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd class="value">{value}</dd>
          {note && <dd class="note-line">{note}</dd>}
        </div>
      ))}
    </dl>
  )
}
