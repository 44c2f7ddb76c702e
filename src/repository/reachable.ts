import { layout } from '../core/layout.ts'
import type { BlockHead } from '../core/manifest-codec.ts'
import type { Pointer } from '../core/manifest.ts'
import { readBlocks } from './block-reader.ts'
import type { Repository } from './repository.ts'

/** Objects by key, with their size in bytes where a head tells it. */
export type Objects = ReadonlyMap<string, number | undefined>

/** Follows pointers by the heads of blocks, and remembers: a block that many backups share is read once. */
export interface Reachable {
  /** In the order of the pointers. @throws DAMAGED */
  heads(pointers: readonly Pointer[]): Promise<readonly BlockHead[]>
  /**
   * Everything that these blocks reach: packs and meta packs, their own among them.
   *
   * @throws DAMAGED when a block on the way does not read
   */
  from(pointers: readonly Pointer[]): Promise<Objects>
  /** The sessions whose data keys open these packs. @throws DAMAGED */
  sessions(pointers: readonly Pointer[]): Promise<ReadonlySet<string>>
}

/** Heads that are fetched at a time; they stay in memory, what came with them does not. */
const BATCH = 5000

/** The list key is enough. */
export function reachable(repository: Repository): Reachable {
  const known = new Map<string, BlockHead>()

  const heads = async (pointers: readonly Pointer[]): Promise<readonly BlockHead[]> => {
    const unread = new Map(pointers.map((pointer) => [keyOf(pointer), pointer] as const))
    for (const key of unread.keys()) if (known.has(key)) unread.delete(key)
    const todo = [...unread]
    for (let at = 0; at < todo.length; at += BATCH) {
      const some = todo.slice(at, at + BATCH)
      const blocks = await readBlocks(
        repository,
        some.map(([, pointer]) => pointer),
        { only: 'heads' },
      )
      for (const [index, { head }] of blocks.entries()) known.set(some[index]?.[0] ?? '', head)
    }
    return pointers.map((pointer) => known.get(keyOf(pointer)) as BlockHead)
  }

  /** Each block on the way down once. */
  const walk = async (
    pointers: readonly Pointer[],
    visit: (pointer: Pointer, head: BlockHead) => void,
  ): Promise<void> => {
    const visited = new Set<string>()
    for (let level = pointers; level.length > 0;) {
      const fresh = new Map(level.map((pointer) => [keyOf(pointer), pointer] as const))
      for (const key of fresh.keys()) if (visited.has(key)) fresh.delete(key)
      const blocks = [...fresh.values()]
      const found = await heads(blocks)
      for (const [index, pointer] of blocks.entries()) visit(pointer, found[index] as BlockHead)
      for (const key of fresh.keys()) visited.add(key)
      level = found.flatMap((head) => head.blocks)
    }
  }

  return {
    heads,
    from: async (pointers) => {
      const found = new Map<string, number | undefined>()
      await walk(pointers, ({ pack }, { packs }) => {
        found.set(layout.meta.key(pack.id), undefined)
        for (const { id, bytes } of packs) found.set(layout.packs.key(id), bytes)
      })
      return found
    },
    sessions: async (pointers) => {
      const found = new Set<string>()
      await walk(pointers, (_pointer, head) => {
        for (const session of head.sessions) found.add(session)
      })
      return found
    },
  }
}

function keyOf({ pack, offset }: Pointer): string {
  return `${pack.id}:${offset}`
}
