import { dirname, join } from 'node:path'
import { Corrupt } from '../core/corrupt.ts'
import type { Disk } from '../core/disk.ts'
import type { DataPackRef, PartFile, Segment } from '../core/manifest.ts'
import { framesOf } from '../core/part-stream.ts'
import type { FrameSpan } from '../core/part-stream.ts'
import { MIB } from '../core/units.ts'
import { packCipher } from './pack-format.ts'
import type { PackCipher, PackKind } from './pack-format.ts'
import { partChecker } from './part-checker.ts'
import type { PartCheck, PartChecker } from './part-checker.ts'
import type { Suite } from './seal.ts'

/** A part to read back. */
export interface LoadItem {
  readonly name: string
  readonly k: string
  readonly runs: readonly { readonly files: readonly PartFile[]; readonly segments: readonly Segment[] }[]
  /** A directory to make and to fill, durable when the job is done; without it the bytes are checked and dropped. */
  readonly target?: string
}

export interface LoadJob {
  readonly items: readonly LoadItem[]
  readonly suite: Suite
  /** By session. */
  readonly dataKeys: Readonly<Record<string, Uint8Array>>
}

/** A data pack, unless it says that it is a meta pack. */
export interface PackToFetch {
  readonly id: string
  readonly kind?: PackKind
}

/** The side that gets ranges of packs; a pack that is missing or too short is a problem of the parts in it, not an error. */
export interface PackSource {
  fetch(
    pack: PackToFetch,
    range: { readonly offset: number; readonly length: number },
  ): Promise<Uint8Array<ArrayBuffer> | undefined>
}

/** Ranges are fetched this much at a time, one ahead of the one at hand. */
const CHUNK = 8 * MIB

/**
 * The data path, outwards: fetch the segments of each part, open their frames, and rebuild its files, hashing each as
 * ClickHouse does and comparing it with what the part's own `checksums.txt`, the first file of the stream, lists.
 */
export async function loadParts(
  job: LoadJob,
  { disk, source }: { readonly disk: Disk; readonly source: PackSource },
): Promise<readonly PartCheck[]> {
  const cipherOf = packCiphers(job)
  const results: PartCheck[] = []
  for (const item of job.items) results.push(await loadItem(item, { disk, source, cipherOf }))
  const written = job.items.flatMap((item) => (item.target ? [dirname(item.target)] : []))
  for (const directory of new Set(written)) disk.syncTree(directory)
  return results
}

interface Within {
  readonly disk: Disk
  readonly source: PackSource
  readonly cipherOf: (pack: DataPackRef) => PackCipher
}

async function loadItem(item: LoadItem, { disk, source, cipherOf }: Within): Promise<PartCheck> {
  const { target } = item
  const checker = partChecker(
    item.k,
    item.runs.flatMap((run) => run.files),
  )
  if (target) for (const directory of directoriesOf(item)) disk.makeDirectory(join(target, directory))
  for (const { files, segments } of item.runs) {
    const writer = fileWriter(files, { checker, ...(target && { to: { disk, directory: target } }) })
    for await (const { pack, frame, bytes } of fetchFrames(segments, source)) {
      const plain = openFrame(cipherOf(pack), frame, bytes)
      if (plain instanceof Uint8Array) writer.bytes(plain)
      else
        writer.gap(
          frame.plain,
          bytes ? `${plain.message} in pack ${pack.id}` : `pack ${pack.id} is missing or cut short`,
        )
    }
    writer.end()
  }
  return checker.finish()
}

function openFrame(cipher: PackCipher, frame: FrameSpan, bytes: Uint8Array | undefined): Uint8Array | Corrupt {
  if (!bytes) return new Corrupt('missing')
  try {
    const plain = cipher.open(bytes, { offset: frame.offset, role: 'body' })
    return plain.length === frame.plain ? plain : new Corrupt('has another length')
  } catch (error) {
    if (error instanceof Corrupt) return error
    throw error
  }
}

/** Frames in order, fetched a chunk ahead. */
async function* fetchFrames(segments: readonly Segment[], source: PackSource) {
  const chunks = segments.flatMap((segment) => chunksOf(segment))
  const fetch = (index: number) => {
    const chunk = chunks[index]
    const bytes = chunk && source.fetch(chunk.pack, chunk)
    bytes?.catch(() => undefined)
    return bytes
  }
  let next = fetch(0)
  for (const [index, chunk] of chunks.entries()) {
    const bytes = await next
    next = fetch(index + 1)
    for (const frame of chunk.frames) {
      const start = frame.offset - chunk.offset
      yield {
        pack: chunk.pack,
        frame,
        bytes: bytes && bytes.length >= start + frame.length ? bytes.subarray(start, start + frame.length) : undefined,
      }
    }
  }
}

interface Chunk {
  readonly pack: DataPackRef
  readonly offset: number
  length: number
  readonly frames: FrameSpan[]
}

function chunksOf(segment: Segment): readonly Chunk[] {
  const chunks: Chunk[] = []
  for (const frame of framesOf(segment)) {
    const last = chunks.at(-1)
    if (last && last.length + frame.length <= CHUNK) {
      last.frames.push(frame)
      last.length += frame.length
    } else chunks.push({ pack: segment.pack, offset: frame.offset, length: frame.length, frames: [frame] })
  }
  return chunks
}

interface FileWriter {
  bytes(plain: Uint8Array): void
  /** Bytes that could not be read: the files that they belong to are damaged. */
  gap(length: number, why: string): void
  end(): void
}

function fileWriter(
  files: readonly PartFile[],
  { checker, to }: { readonly checker: PartChecker; readonly to?: { readonly disk: Disk; readonly directory: string } },
): FileWriter {
  let index = -1
  let left = 0
  let handle: number | undefined

  const close = (): void => {
    if (index >= 0) checker.endFile()
    if (handle !== undefined) to?.disk.close(handle)
    handle = undefined
  }
  /** On to the next file that has bytes; empty ones are made on the way. */
  const advance = (): void => {
    while (left === 0 && index < files.length - 1) {
      close()
      const [path, size] = files[++index] as PartFile
      left = size
      checker.beginFile(path, size)
      handle = to?.disk.open(join(to.directory, path), 'create')
    }
  }
  const each = (length: number, work: (start: number, end: number) => void): void => {
    for (let at = 0; at < length;) {
      advance()
      if (left === 0) throw new Corrupt('more bytes than files')
      const end = Math.min(length, at + left)
      work(at, end)
      left -= end - at
      at = end
    }
  }

  return {
    bytes: (plain) => {
      each(plain.length, (start, end) => {
        const piece = plain.subarray(start, end)
        checker.bytes(piece)
        if (handle !== undefined) to?.disk.write(handle, piece)
      })
    },
    gap: (length, why) => each(length, () => checker.damaged(why)),
    end: () => {
      advance()
      close()
    },
  }
}

function packCiphers({ suite, dataKeys }: LoadJob): (pack: DataPackRef) => PackCipher {
  const known = new Map<string, PackCipher>()
  return (pack) => {
    const found = known.get(pack.id)
    if (found) return found
    const key = dataKeys[pack.session]
    if (!key) throw new Error(`no data key for session ${pack.session}`)
    const cipher = packCipher({ kind: 'data', suite, session: pack.session, salt: pack.salt }, { head: key, body: key })
    known.set(pack.id, cipher)
    return cipher
  }
}

function directoriesOf(item: LoadItem): readonly string[] {
  const paths = item.runs.flatMap((run) => run.files.map(([path]) => path))
  const directories = paths.filter((path) => path.includes('/')).map((path) => path.slice(0, path.lastIndexOf('/')))
  return ['', ...new Set(directories)]
}
