import pLimit from 'p-limit'
import { Corrupt, must } from '../core/corrupt.ts'
import { layout } from '../core/layout.ts'
import { decodeHead } from '../core/manifest-codec.ts'
import type { BlockHead } from '../core/manifest-codec.ts'
import type { Pointer } from '../core/manifest.ts'
import { frameLength, packCipher } from './pack-format.ts'
import type { FrameRole, PackCipher } from './pack-format.ts'
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
        const fetched = await fetchStretch(repository, stretch)
        for (const pointer of stretch) blocks.set(pointer, openBlock(repository, { pointer, only, ...fetched }))
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

/** Some bytes of one meta pack, and what opens them. */
interface Fetched {
  readonly bytes: Uint8Array
  /** Where in the pack they begin. */
  readonly from: number
  readonly cipher: PackCipher
}

async function fetchStretch({ storage, keys }: Repository, stretch: readonly Pointer[]): Promise<Fetched> {
  const { pack, offset } = stretch[0] as Pointer
  const length = Math.max(...stretch.map(endOf)) - offset
  const key = layout.meta.key(pack.id)
  const bytes = await storage.get(key, { range: { offset, length } })
  if (bytes?.length !== length) throw damaged(storage, key, new Corrupt(bytes ? 'is cut short' : 'is missing'))
  const header = { kind: 'meta', suite: keys.suite, session: pack.session, salt: pack.salt } as const
  return { bytes, from: offset, cipher: packCipher(header, { head: keys.list, body: keys.meta }) }
}

function openBlock(
  { storage }: Repository,
  { pointer, only, bytes, from, cipher }: Fetched & { readonly pointer: Pointer; readonly only: string },
): Block {
  const { pack, offset } = pointer
  const text = (start: number, length: number, role: FrameRole) =>
    openFrames(cipher, { bytes: bytes.subarray(start - from, start - from + length), offset: start, role })
  try {
    const head = decodeHead(text(offset, pointer.head, 'head'))
    return { head, body: only === 'heads' ? '' : text(offset + pointer.head, pointer.body, 'body') }
  } catch (error) {
    if (error instanceof Corrupt) throw damaged(storage, layout.meta.key(pack.id), error)
    throw error
  }
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
