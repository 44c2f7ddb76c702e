export type Tone = 'good' | 'warn' | 'bad' | 'busy' | 'quiet'

const SYMBOLS: Readonly<Record<Tone, string>> = { good: '✓', warn: '!', bad: '✕', busy: '●', quiet: '–' }

/** A state: symbol, word and colour, so that no one of them is needed to understand it. */
export function Mark({ tone, children }: { readonly tone: Tone; readonly children: string }) {
  return (
    <span class={`mark ${tone}`}>
      <span class="symbol" aria-hidden="true">
        {SYMBOLS[tone]}
      </span>
      <span>{children}</span>
    </span>
  )
}
