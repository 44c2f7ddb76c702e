import type { OperationState } from '../types.ts'

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

const TONES: Readonly<Record<OperationState, Tone>> = {
  queued: 'quiet',
  running: 'busy',
  ok: 'good',
  incomplete: 'warn',
  damaged: 'bad',
  failed: 'bad',
  cancelled: 'warn',
  interrupted: 'warn',
}

/** The state of an operation. */
export function StateMark({ state }: { readonly state: OperationState }) {
  return <Mark tone={TONES[state]}>{state}</Mark>
}
