import { CHECKSUMS_FILE } from '../core/checksums.ts'
import type { Checksums } from '../core/checksums.ts'
import { createCityHash } from '../core/cityhash.ts'
import { Corrupt } from '../core/corrupt.ts'
import type { PartFile } from '../core/manifest.ts'
import { FRAME, isChecksums } from '../core/part-stream.ts'
import { identityHash, IDENTITY_BYTES, isEncrypted, isIdentity, readChecksums } from './part-identity.ts'

/** What a part turned out to be. */
export interface PartCheck {
  /** Every byte is what was stored: frames are authentic and the identity `k` is that of the manifest. */
  readonly authentic: boolean
  /** What is wrong, each naming its file: not authentic, or not what the part's own `checksums.txt` lists. */
  readonly problems: readonly string[]
}

/** Checks a part while its files pass by in stream order. */
export interface PartChecker {
  beginFile(path: string, size: number): void
  /** At most a frame at a time. */
  bytes(piece: Uint8Array): void
  damaged(why: string): void
  endFile(): void
  finish(): PartCheck
}

/** Files listed in `checksums.txt` without a hash are not compared. */
const NO_HASH = '0'.repeat(32)
const hasher = createCityHash(FRAME)

/** The memory in which files are hashed: a frame that is opened in it is not copied. Each frame takes the place of the last. */
export const checkerArena: Uint8Array<ArrayBuffer> = hasher.arena

/**
 * A checker for the part with this identity and these files.
 *
 * @param k what the manifest has
 */
export function partChecker(k: string, files: readonly PartFile[]): PartChecker {
  const problems: string[] = []
  const identity = identityHash()
  /** By directory inside the part: '' and those of projections. */
  const listed = new Map<string, Checksums | undefined>()
  let authentic = true
  let path = ''
  let gone: string | undefined
  let own: Uint8Array[] | undefined
  let pinned = false

  const checksumsOf = (of: string): Checksums | undefined => listed.get(directoryOf(of))

  const endChecksums = (): void => {
    const bytes = Buffer.concat(own ?? [])
    own = undefined
    listed.set(directoryOf(path), isEncrypted(bytes) ? undefined : tryRead(bytes, { path, problems }))
  }

  return {
    beginFile: (next, size) => {
      path = next
      gone = undefined
      own = isChecksums(path) ? [] : undefined
      pinned = own !== undefined || isIdentity(nameOf(path), checksumsOf(path))
      if (pinned) identity.file(path, size)
      pinned &&= size <= IDENTITY_BYTES
      hasher.fileBegin()
    },
    bytes: (piece) => {
      hasher.fileUpdate(piece)
      if (pinned) identity.bytes(piece)
      own?.push(piece.slice())
    },
    damaged: (why) => {
      authentic = false
      gone ??= why
    },
    endFile: () => {
      const hash = hasher.fileEnd()
      if (own) endChecksums()
      const expected = checksumsOf(path)?.get(nameOf(path))?.hash ?? NO_HASH
      if (gone) problems.push(`${path}: ${gone}`)
      else if (expected !== NO_HASH && expected !== hash) problems.push(`${path} fails its checksum in checksums.txt`)
    },
    finish: () => {
      for (const missing of missingFiles(files, listed)) problems.push(`${missing} is missing`)
      if (authentic && identity.digest() !== k) {
        authentic = false
        problems.push(`${CHECKSUMS_FILE} or a file beside it is not what the manifest has`)
      }
      return { authentic, problems }
    },
  }
}

function tryRead(
  bytes: Uint8Array,
  { path, problems }: { readonly path: string; readonly problems: string[] },
): Checksums | undefined {
  try {
    return readChecksums(bytes)
  } catch (error) {
    if (!(error instanceof Corrupt)) throw error
    problems.push(`${path} does not read: ${error.message}`)
    return undefined
  }
}

function missingFiles(
  files: readonly PartFile[],
  listed: ReadonlyMap<string, Checksums | undefined>,
): readonly string[] {
  const present = new Set(files.flatMap(([path]) => [path, directoryOf(path).slice(0, -1)]))
  return [...listed].flatMap(([directory, checksums]) =>
    [...(checksums?.keys() ?? [])].map((name) => directory + name).filter((name) => !present.has(name)),
  )
}

/** With its slash; '' for the part itself. */
function directoryOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/') + 1)
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}
