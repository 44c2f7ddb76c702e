import type { OperationState } from '../types.ts'
import { Mark } from './mark.tsx'
import type { Tone } from './mark.tsx'

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
