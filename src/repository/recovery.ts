import { readFile } from 'node:fs/promises'
import { layout } from '../core/layout.ts'
import type { Storage } from '../storage/storage.ts'

/**
 * Put into a repository what restores from it when Permafrost is gone: a script that was written from docs/format.md alone,
 * and a page that says so.
 */
export async function placeRecovery(storage: Storage): Promise<void> {
  for (const key of layout.recovery) {
    const text = await readFile(new URL(`../../recovery/${key}`, import.meta.url))
    await storage.put(key, text, { ifAbsent: true })
  }
}
