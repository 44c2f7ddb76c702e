import { layout } from '../core/layout.ts'
import type { CallOptions, Storage } from '../storage/storage.ts'

/**
 * Delete what killed writers left half-written. A writer that is alive is done with such an object within minutes, so the
 * store's clock may be wrong by a lot; and should one lose it, its write fails and is tried again.
 */
export async function removeUnfinished(
  storage: Storage,
  { before, signal }: CallOptions & { readonly before: Date },
): Promise<void> {
  const old: string[] = []
  for await (const { key, modified } of storage.list(layout.unfinished.prefix, { signal }))
    if (modified && modified < before) old.push(key)
  if (old.length > 0) await storage.delete(old, { signal })
}
