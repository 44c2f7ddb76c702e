import { encodeHead } from '../core/manifest-codec.ts'
import type { BlockHead } from '../core/manifest-codec.ts'
import type { PackRef, Pointer } from '../core/manifest.ts'
import { layout } from '../core/layout.ts'
import { FRAME } from '../core/part-stream.ts'
import { MIB } from '../core/units.ts'
import { packCipher } from './pack-format.ts'
import { packBufferSize, packWriter } from './pack-writer.ts'
import type { PackWriter } from './pack-writer.ts'
import type { Repository } from './repository.ts'

/** A meta pack is read whole when many of its blocks are wanted: large enough for few requests, small enough for memory. */
const META_TARGET = 8 * MIB

/** A block that was added; where it lies is known when its pack has been stored, that is after a flush. */
export interface PendingBlock {
  /** @throws when the block has not been flushed */
  pointer(): Pointer
}

/** Gathers blocks into meta packs. */
export interface MetaWriter {
  add(head: BlockHead, body: string): Promise<PendingBlock>
  /** Store what is gathered. */
  flush(): Promise<void>
  /** Bytes stored so far. */
  readonly stored: number
}

interface OpenPack {
  readonly writer: PackWriter
  /** What pointers keep of it; it has its name when it is stored. */
  readonly ref: Omit<PackRef, 'id'> & { id?: string }
}

/** A writer of blocks for this session. Bodies are sealed with the metadata key, heads with the list key. */
export function metaWriter(
  repository: Repository,
  { session, random }: { readonly session: string; readonly random: (size: number) => Uint8Array },
): MetaWriter {
  const { storage, keys } = repository
  let open: OpenPack | undefined
  let stored = 0

  const begin = (size: number): OpenPack => {
    const salt = Buffer.from(random(32)).toString('hex')
    const cipher = packCipher({ kind: 'meta', suite: keys.suite, session, salt }, { head: keys.list, body: keys.meta })
    const target = Math.max(META_TARGET, size)
    return {
      writer: packWriter(new ArrayBuffer(packBufferSize(target)), cipher, target),
      ref: { session, salt },
    }
  }

  const flush = async (): Promise<void> => {
    if (!open) return
    const full = open
    open = undefined
    const pack = full.writer.finish()
    await storage.put(layout.meta.key(pack.id), pack.bytes, { ifAbsent: true })
    full.ref.id = pack.id
    stored += pack.bytes.length
  }

  return {
    get stored() {
      return stored
    },
    flush,
    add: async (head, body) => {
      const headText = Buffer.from(encodeHead(head))
      const bodyText = Buffer.from(body)
      const size = headText.length + bodyText.length
      if (open && !open.writer.fits(size)) await flush()
      open ??= begin(size)
      const { writer, ref } = open
      const offset = writer.end
      return pending(ref, {
        offset,
        head: addFrames(writer, headText, 'head'),
        body: addFrames(writer, bodyText, 'body'),
      })
    },
  }
}

function pending(ref: OpenPack['ref'], place: Omit<Pointer, 'pack'>): PendingBlock {
  return {
    pointer: () => {
      const { id } = ref
      if (id === undefined) throw new Error('the block was not flushed')
      return { pack: { ...ref, id }, ...place }
    },
  }
}

function addFrames(writer: PackWriter, text: Uint8Array, role: 'head' | 'body'): number {
  const start = writer.end
  for (let at = 0; at < text.length; at += FRAME) writer.add(text.subarray(at, at + FRAME), { role, compress: true })
  return writer.end - start
}
