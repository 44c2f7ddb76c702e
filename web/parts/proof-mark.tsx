import type { Attestation } from '../types.ts'
import { Mark } from './mark.tsx'
import { Age } from './age.tsx'

/** What each level of a check is called. */
export const LEVELS = { 1: 'inventory', 2: 'scrub', 3: 'content', 4: 'drill' } as const

/** What is known of a backup: the best that was shown of it, or the damage. */
export function ProofMark({
  proven,
  damaged,
}: {
  readonly proven?: Attestation | undefined
  readonly damaged?: Attestation | undefined
}) {
  const known = damaged ?? proven
  if (!known) return <Mark tone="quiet">not proven</Mark>
  return (
    <>
      <Mark tone={damaged ? 'bad' : 'good'}>{damaged ? 'damaged' : LEVELS[known.level]}</Mark>{' '}
      <span class="dim">
        <Age at={known.at} />
      </span>
    </>
  )
}
