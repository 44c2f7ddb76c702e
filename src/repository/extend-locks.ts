import pLimit from 'p-limit'
import { layout } from '../core/layout.ts'
import type { Storage } from '../storage/storage.ts'

/** What a backup cannot be restored without. */
const KEPT = [layout.keys, layout.packs, layout.meta, layout.backups]

/** Where a store locks objects for a time, what stays is locked anew before that is over; a delete only hides what is locked. */
export async function extendLocks(storage: Storage, signal: AbortSignal): Promise<void> {
  const { extendLock } = storage
  if (!extendLock) return
  const keys: string[] = [layout.format]
  for (const { prefix } of KEPT) for await (const { key } of storage.list(prefix)) keys.push(key)
  const limit = pLimit(storage.traits.connections)
  await Promise.all(keys.map((key) => limit(() => extendLock(key, { signal }))))
}
