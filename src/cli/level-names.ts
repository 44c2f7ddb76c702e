import type { Level } from '../repository/attestations.ts'

/** How people call the levels. */
export const LEVEL_NAMES: Readonly<Record<Level, string>> = { 1: 'inventory', 2: 'scrub', 3: 'content', 4: 'drill' }
