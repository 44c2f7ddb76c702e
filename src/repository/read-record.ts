import { Corrupt } from '../core/corrupt.ts'
import { PermafrostError } from '../core/errors.ts'
import type { Storage } from '../storage/storage.ts'
import type { Keys } from './keys.ts'
import { readChecked } from './read-checked.ts'
import { decodeRecord } from './records.ts'

/** What reading needs of a repository. */
export interface Readable {
  readonly storage: Storage
  readonly keys: Keys
}

/** A record that must be there, read and its sections returned. @throws DAMAGED */
export async function readRecord(
  repository: Readable,
  name: { readonly kind: string; readonly key: string },
): Promise<ReadonlyMap<string, unknown>> {
  const record = await readRecordIfThere(repository, name)
  if (record) return record
  throw damaged(repository.storage, name.key, new Corrupt('is missing'))
}

/** A record that somebody may have taken away. @throws DAMAGED */
export async function readRecordIfThere(
  { storage, keys }: Readable,
  name: { readonly kind: string; readonly key: string },
): Promise<ReadonlyMap<string, unknown> | undefined> {
  try {
    return await readChecked(async () => {
      const bytes = await storage.get(name.key)
      return bytes && decodeRecord(name, bytes, keys)
    })
  } catch (error) {
    if (error instanceof Corrupt) throw damaged(storage, name.key, error)
    throw error
  }
}

/** DAMAGED, for an object of the repository. */
export function damaged(storage: Pick<Storage, 'location'>, key: string, cause: Corrupt): PermafrostError {
  const hint = 'permafrost verify --all --level inventory shows what else is affected'
  return new PermafrostError('DAMAGED', `${key} at ${storage.location}: ${cause.message}`, {
    hint,
    detail: { key },
    cause,
  })
}
