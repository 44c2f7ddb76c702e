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

/** Gathers blocks into meta packs. */
export interface MetaWriter {
  /** Add a block; its pointer is known once its pack is stored, so await {@link flush} before the pointer. */
  add(head: BlockHead, body: string): Promise<Pointer>
  /** Store what is gathered. */
  flush(): Promise<void>
  /** Bytes stored so far. */
  readonly stored: number
}

interface OpenPack {
  readonly writer: PackWriter
  readonly ref: Omit<PackRef, 'id'>
  readonly id: PromiseWithResolvers<string>
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
      id: Promise.withResolvers<string>(),
    }
  }

  const flush = async (): Promise<void> => {
    if (!open) return
    const { writer, id } = open
    open = undefined
    const pack = writer.finish()
    try {
      await storage.put(layout.meta.key(pack.id), pack.bytes, { ifAbsent: true })
      stored += pack.bytes.length
      id.resolve(pack.id)
    } catch (error) {
      id.reject(error)
      throw error
    }
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
      const { writer, ref, id } = open
      // A rejected put reaches the caller through flush(); the pointers that hang on it must not crash the process as well.
      id.promise.catch(() => undefined)
      const offset = writer.end
      const headLength = addFrames(writer, headText, 'head')
      const bodyLength = addFrames(writer, bodyText, 'body')
      return { pack: { ...ref, id: await id.promise }, offset, head: headLength, body: bodyLength }
    },
  }
}

function addFrames(writer: PackWriter, text: Uint8Array, role: 'head' | 'body'): number {
  const start = writer.end
  for (let at = 0; at < text.length; at += FRAME) writer.add(text.subarray(at, at + FRAME), { role, compressed: true })
  return writer.end - start
}
