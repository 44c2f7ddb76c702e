import { Corrupt } from '../core/corrupt.ts'
import type { Disk } from '../core/disk.ts'
import type { PartFile, Segment } from '../core/manifest.ts'
import type { PartChecker } from './part-checker.ts'

/** Files that were stored together, and where. */
export interface RunOfFiles {
  readonly files: readonly PartFile[]
  readonly segments: readonly Segment[]
}

export interface FileWriter {
  bytes(plain: Uint8Array): void
  /** Bytes that could not be read: the files that they belong to are damaged. */
  gap(length: number, why: string): void
  end(): void
}

/** Cuts the stream of a run into its files: for the checker, and onto a disk where there is one. */
export function fileWriter(
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
      handle = to?.disk.open(`${to.directory}/${path}`, 'create')
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
