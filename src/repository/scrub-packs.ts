import { createHash } from 'node:crypto'
import { MIB } from '../core/units.ts'
import type { PackSource, PackToFetch } from './open-frames.ts'

export interface ScrubJob {
  readonly packs: readonly (PackToFetch & { readonly bytes: number })[]
}

export type ScrubResult = 'right' | 'missing' | 'cut short' | 'changed'

const CHUNK = 8 * MIB

/** Compare the bytes of packs with their names, which are their SHA-256: no key is needed. */
export async function scrubPacks({ packs }: ScrubJob, source: PackSource): Promise<readonly ScrubResult[]> {
  const results: ScrubResult[] = []
  for (const pack of packs) {
    const result = await scrub(pack, source)
    // The way may have spoilt it: only what is wrong twice is wrong in the store.
    results.push(result === 'changed' ? await scrub(pack, source) : result)
  }
  return results
}

async function scrub(pack: ScrubJob['packs'][number], source: PackSource): Promise<ScrubResult> {
  const hash = createHash('sha256')
  for (let offset = 0; offset < pack.bytes; offset += CHUNK) {
    const length = Math.min(CHUNK, pack.bytes - offset)
    const bytes = await source.fetch(pack, { offset, length })
    if (!bytes) return 'missing'
    if (bytes.length < length) return 'cut short'
    hash.update(bytes)
  }
  return hash.digest('hex') === pack.id ? 'right' : 'changed'
}
