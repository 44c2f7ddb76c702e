import { CHECKSUMS_FILE, hashOfAllFiles } from '../core/checksums.ts'
import type { Checksums, FileChecksum } from '../core/checksums.ts'
import type { Hash128 } from '../core/cityhash.ts'
import { Corrupt } from '../core/corrupt.ts'
import type { Disk } from '../core/disk.ts'
import { streamOrder } from '../core/part-stream.ts'
import type { SourceFile } from '../core/store-plan.ts'
import { identityHash, IDENTITY_BYTES, isEncrypted, isIdentity, readChecksums } from './part-identity.ts'

/** A part directory, as far as it can be known without reading its data. */
export interface Inspection {
  readonly k: string
  readonly bytes: number
  /** `hash_of_all_files`, computed from `checksums.txt`; only with `files`. */
  readonly hash?: Hash128
  /** Whether it lies on an encrypted disk: then its files are ciphertext, and only ClickHouse can check them. */
  readonly encrypted: boolean
  /** What is wrong with it already: a missing file, a `checksums.txt` that does not parse. */
  readonly problems: readonly string[]
  /** Rows by `count.txt`; only with `files`. */
  readonly rows?: number
  /** In stream order; only when asked for. */
  readonly files?: readonly SourceFile[]
}

interface Found {
  readonly path: string
  readonly listed: FileChecksum | undefined
  readonly identity: boolean
  /** Of what has been read already. */
  readonly bytes?: Uint8Array
}

/**
 * Read a part's identity: a directory listing, `checksums.txt` and the few files that it does not list. No data file is
 * opened, and none is looked at unless `files` is asked for.
 */
export function inspectPart(
  directory: string,
  { disk, files }: { readonly disk: Disk; readonly files: boolean },
): Inspection {
  const problems: string[] = []
  const { found, checksums, encrypted } = readDirectory(directory, { disk, problems, prefix: '' })
  const opaque = checksums === undefined
  const stats = files || opaque ? statFiles(directory, found, { disk, problems }) : undefined
  const rows = files && !opaque ? countRows(directory, found, disk) : undefined
  const identity = identityOf(directory, found, disk)
  const bytes = stats
    ? stats.reduce((sum, { size }) => sum + size, 0)
    : found.reduce((sum, { listed }) => sum + (listed?.size ?? 0), identity.bytes)
  return {
    k: identity.k,
    bytes,
    encrypted,
    problems,
    ...(rows !== undefined && { rows }),
    ...(stats && files && { files: streamOrder(stats), ...(checksums && { hash: hashOfAllFiles(checksums) }) }),
  }
}

/** @returns the identity, and how many bytes the files that make it have */
function identityOf(
  directory: string,
  found: readonly Found[],
  disk: Disk,
): { readonly k: string; readonly bytes: number } {
  const files = found
    .filter(({ identity }) => identity)
    .map(({ path, bytes = disk.read(`${directory}/${path}`) }) => ({ path, bytes, size: bytes.length }))
  const hash = identityHash()
  for (const { path, bytes, size } of streamOrder(files)) {
    hash.file(path, size)
    if (size <= IDENTITY_BYTES) hash.bytes(bytes)
  }
  return { k: hash.digest(), bytes: files.reduce((sum, { size }) => sum + size, 0) }
}

interface Directory {
  readonly found: readonly Found[]
  readonly checksums: Checksums | undefined
  readonly encrypted: boolean
}

interface Within {
  readonly disk: Disk
  readonly problems: string[]
  /** Path of the directory inside the part, with its slash. */
  readonly prefix: string
}

function readDirectory(directory: string, within: Within): Directory {
  const { disk, problems, prefix } = within
  const entries = disk.list(directory)
  const raw = entries.some((entry) => entry.name === CHECKSUMS_FILE)
    ? disk.read(`${directory}/${CHECKSUMS_FILE}`)
    : undefined
  const encrypted = raw !== undefined && isEncrypted(raw)
  const checksums = encrypted ? undefined : readListed(raw, within)
  const found = entries.flatMap(({ name, kind }): readonly Found[] => {
    const path = prefix + name
    if (kind === 'directory')
      return readProjection(`${directory}/${name}`, { ...within, prefix: `${path}/` }, checksums?.get(name))
    if (kind === 'file') {
      const isRead = name === CHECKSUMS_FILE && raw
      const identity = isIdentity(name, checksums)
      return [{ path, listed: checksums?.get(name), identity, ...(isRead && { bytes: raw }) }]
    }
    problems.push(`${path} is neither a file nor a directory`)
    return []
  })
  const present = new Set(entries.map((entry) => entry.name))
  for (const name of checksums?.keys() ?? []) if (!present.has(name)) problems.push(`${prefix}${name} is missing`)
  return { found, checksums, encrypted }
}

function readProjection(directory: string, within: Within, listed: FileChecksum | undefined): readonly Found[] {
  const projection = readDirectory(directory, within)
  if (listed && projection.checksums && hashOfAllFiles(projection.checksums) !== listed.hash) {
    within.problems.push(`${within.prefix}${CHECKSUMS_FILE} is not what the part lists for this projection`)
  }
  return projection.found
}

function readListed(raw: Uint8Array | undefined, { problems, prefix }: Within): Checksums | undefined {
  if (!raw) {
    problems.push(`${prefix}${CHECKSUMS_FILE} is missing`)
    return undefined
  }
  try {
    return readChecksums(raw)
  } catch (error) {
    if (!(error instanceof Corrupt)) throw error
    problems.push(`${prefix}${CHECKSUMS_FILE} does not read: ${error.message}`)
    return undefined
  }
}

function statFiles(
  directory: string,
  found: readonly Found[],
  { disk, problems }: { readonly disk: Disk; readonly problems: string[] },
): readonly SourceFile[] {
  return found.map(({ path, listed }) => {
    const { size, device, inode, modified } = disk.stat(`${directory}/${path}`)
    if (listed && listed.size !== size) problems.push(`${path} has ${size} bytes, checksums.txt lists ${listed.size}`)
    return { path, size, device, inode, modified, ...(listed && { hash: listed.hash }) }
  })
}

function countRows(directory: string, found: readonly Found[], disk: Disk): number | undefined {
  if (!found.some((file) => file.path === 'count.txt')) return undefined
  const rows = Number(Buffer.from(disk.read(`${directory}/count.txt`)).toString())
  return Number.isSafeInteger(rows) ? rows : undefined
}
