import pLimit from 'p-limit'
import { Corrupt, must } from '../core/corrupt.ts'
import { layout } from '../core/layout.ts'
import { decodeHead } from '../core/manifest-codec.ts'
import type { BlockHead } from '../core/manifest-codec.ts'
import type { Pointer } from '../core/manifest.ts'
import { frameLength, packCipher } from './pack-format.ts'
import type { FrameRole, PackCipher } from './pack-format.ts'
import { readChecked } from './read-checked.ts'
import { damaged } from './read-record.ts'
import type { Repository } from './repository.ts'

/** Blocks with less than this between them are fetched by one request: it costs less than a second round trip. */
const GAP = 256 * 1024

export interface Block {
  readonly head: BlockHead
  /** The body's text; empty when only heads were asked for. */
  readonly body: string
}

/**
 * Read blocks, in the order of the pointers. Neighbours in a meta pack come by one request.
 *
 * @throws DAMAGED when one is missing, cut short or changed
 */
export async function readBlocks(
  repository: Repository,
  pointers: readonly Pointer[],
  { only = 'all' }: { readonly only?: 'all' | 'heads' } = {},
): Promise<readonly Block[]> {
  const limit = pLimit(repository.storage.traits.connections)
  const blocks = new Map<Pointer, Block>()
  await Promise.all(
    stretches(pointers).map((stretch) =>
      limit(async () => {
        for (const [pointer, block] of await readStretch(repository, stretch, only)) blocks.set(pointer, block)
      }),
    ),
  )
  return pointers.map((pointer) => blocks.get(pointer) as Block)
}

/** One block. */
export async function readBlock(repository: Repository, pointer: Pointer): Promise<Block> {
  const [block] = await readBlocks(repository, [pointer])
  return block as Block
}

function stretches(pointers: readonly Pointer[]): readonly (readonly Pointer[])[] {
  const sorted = [...pointers].sort((a, b) => compare(a.pack.id, b.pack.id) || a.offset - b.offset)
  const found: Pointer[][] = []
  for (const pointer of sorted) {
    const last = found.at(-1)?.at(-1)
    const near = last && last.pack.id === pointer.pack.id && pointer.offset - endOf(last) <= GAP
    if (near) found.at(-1)?.push(pointer)
    else found.push([pointer])
  }
  return found
}

async function readStretch(
  { storage, keys }: Repository,
  stretch: readonly Pointer[],
  only: 'all' | 'heads',
): Promise<readonly (readonly [Pointer, Block])[]> {
  const { pack, offset: from } = stretch[0] as Pointer
  const key = layout.meta.key(pack.id)
  const range = { offset: from, length: Math.max(...stretch.map(endOf)) - from }
  const header = { kind: 'meta', suite: keys.suite, session: pack.session, salt: pack.salt } as const
  const cipher = packCipher(header, { head: keys.list, body: keys.meta })
  try {
    return await readChecked(async () => {
      const bytes = await storage.get(key, { range })
      must(bytes !== undefined, 'is missing')
      must(bytes.length === range.length, 'is cut short')
      return stretch.map((pointer) => [pointer, openBlock(pointer, { bytes, from, cipher }, only)])
    })
  } catch (error) {
    if (error instanceof Corrupt) throw damaged(storage, key, error)
    throw error
  }
}

/** Some bytes of one meta pack, and what opens them. */
interface Fetched {
  readonly bytes: Uint8Array
  /** Where in the pack they begin. */
  readonly from: number
  readonly cipher: PackCipher
}

function openBlock({ offset, ...lengths }: Pointer, { bytes, from, cipher }: Fetched, only: 'all' | 'heads'): Block {
  const text = (start: number, length: number, role: FrameRole) =>
    openFrames(cipher, { bytes: bytes.subarray(start - from, start - from + length), offset: start, role })
  const head = decodeHead(text(offset, lengths.head, 'head'))
  return { head, body: only === 'heads' ? '' : text(offset + lengths.head, lengths.body, 'body') }
}

function openFrames(
  cipher: PackCipher,
  { bytes, offset, role }: { readonly bytes: Uint8Array; readonly offset: number; readonly role: FrameRole },
): string {
  const plain: Uint8Array[] = []
  for (let at = 0; at < bytes.length;) {
    const length = frameLength(bytes.subarray(at))
    must(at + length <= bytes.length, 'block is cut short')
    plain.push(cipher.open(bytes.subarray(at, at + length), { offset: offset + at, role }))
    at += length
  }
  return Buffer.concat(plain).toString()
}

function endOf(pointer: Pointer): number {
  return pointer.offset + pointer.head + pointer.body
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
