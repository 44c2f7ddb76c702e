import { layout, packIdOf } from '../core/layout.ts'
import type { ObjectInfo, Storage } from '../storage/storage.ts'
import type { Repository } from './repository.ts'

/** A page of an object store. With more, it is worth asking for the rest side by side. */
const PAGE = 1000
const DIGITS = '0123456789abcdef'.split('')

/** All packs and meta packs. Throws rather than see less than there is. */
export async function listPacks({ storage }: Pick<Repository, 'storage'>): Promise<ReadonlyMap<string, ObjectInfo>> {
  const listed = await Promise.all([layout.packs.prefix, layout.meta.prefix].map((prefix) => listAll(storage, prefix)))
  const packs = listed.flat().filter(({ key }) => packIdOf(key))
  return new Map(packs.map((object) => [object.key, object]))
}

/**
 * Everything below a prefix whose keys go on with a hash. A store gives one page after another; names are spread evenly, so
 * what the first page does not hold is asked for by first digits, all at once.
 */
async function listAll(storage: Storage, prefix: string): Promise<readonly ObjectInfo[]> {
  const found: ObjectInfo[] = []
  for await (const object of storage.list(prefix)) {
    found.push(object)
    if (found.length > PAGE) break
  }
  const last = found.at(-1)?.key
  if (found.length <= PAGE || last === undefined) return found
  const rest = await Promise.all(DIGITS.map((digit) => listBehind(storage, { prefix: prefix + digit, last })))
  return [found, ...rest].flat()
}

async function listBehind(
  storage: Storage,
  { prefix, last }: { readonly prefix: string; readonly last: string },
): Promise<readonly ObjectInfo[]> {
  // All of it came with the first page.
  if (prefix < last && !last.startsWith(prefix)) return []
  const found: ObjectInfo[] = []
  for await (const object of storage.list(prefix, { after: last })) if (object.key > last) found.push(object)
  return found
}
