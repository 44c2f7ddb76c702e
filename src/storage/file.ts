import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { link, mkdir, open, readdir, rename, stat, unlink } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { diskError } from '../core/disk-error.ts'
import { isErrno, PermafrostError } from '../core/errors.ts'
import { isKey } from './storage.ts'
import type { ObjectInfo, Storage } from './storage.ts'
import { walk } from './walk.ts'
import type { DirectoryEntry } from './walk.ts'

interface FileEntry extends DirectoryEntry {
  readonly size: number
  readonly modified?: Date
}

/** Unfinished writes carry this name; readers and listings pass over them. A killed writer leaves one behind at most. */
const TEMPORARY = '.tmp-'

/**
 * Objects as files below a directory of a disk or an NFS mount. A write is: a temporary file in the same directory → fsync →
 * `link()` to its name (which fails when the name is taken, so two writers cannot both create it) → fsync of the directory.
 * File systems without hard links get `rename()` after a look, as their best.
 *
 * @param root an absolute directory
 */
export function fileStorage(root: string): Storage {
  const pathOf = (key: string): string => {
    if (!isKey(key)) throw new PermafrostError('INTERNAL', `${JSON.stringify(key)} is not a key`)
    return join(root, key)
  }
  const synced = new Set<string>()

  const makeParent = async (path: string): Promise<string> => {
    const directory = dirname(path)
    if (!synced.has(directory)) {
      await mkdir(directory, { recursive: true })
      // A new directory survives a power cut only when its own entry does, up to the root of the repository.
      for (let at = directory; at.startsWith(root) && !synced.has(at); at = dirname(at)) {
        await syncDirectory(dirname(at))
        synced.add(at)
      }
    }
    return directory
  }

  return {
    location: `file://${root}`,
    traits: { atomicCreate: true, connections: 4 },

    get: (key, { range, signal } = {}) =>
      guarded(`read ${key}`, root, async () => {
        signal?.throwIfAborted()
        await using file = await openIfThere(pathOf(key))
        if (!file) return undefined
        const size = (await file.stat()).size
        const offset = Math.min(range?.offset ?? 0, size)
        return await readFully(file, { offset, length: Math.min(range?.length ?? size, size - offset) })
      }),

    put: (key, body, { ifAbsent = false, signal } = {}) =>
      guarded(`write ${key}`, root, async () => {
        signal?.throwIfAborted()
        const path = pathOf(key)
        const directory = await makeParent(path)
        const temporary = join(directory, TEMPORARY + randomBytes(8).toString('hex'))
        try {
          await writeDurably(temporary, body)
          const outcome = ifAbsent ? await createOnce(temporary, path) : await replace(temporary, path)
          await syncDirectory(directory)
          return outcome
        } finally {
          await unlink(temporary).catch(ignoreMissing)
        }
      }),

    head: (key) =>
      guarded(`look at ${key}`, root, async () => {
        const found = await stat(pathOf(key)).catch(ignoreMissing)
        return found?.isFile() ? { key, size: found.size } : undefined
      }),

    async *list(prefix, { signal } = {}) {
      for await (const { key, entry } of walk(prefix, (directory) => entriesOf(root, directory))) {
        signal?.throwIfAborted()
        const { size, modified } = entry
        yield { key, size, ...(modified && { modified }) } satisfies ObjectInfo
      }
    },

    delete: (keys) =>
      guarded('delete', root, async () => {
        for (const key of keys) await unlink(pathOf(key)).catch(ignoreMissing)
        for (const directory of new Set(keys.map((key) => dirname(pathOf(key))))) {
          await syncDirectory(directory).catch(ignoreMissing)
        }
      }),
  }
}

async function writeDurably(path: string, body: Uint8Array): Promise<void> {
  await using file = await open(path, 'wx', 0o600)
  // Not writeFile, which makes a turn of the event loop out of every half megabyte.
  for (let at = 0; at < body.length;) at += (await file.write(body, at)).bytesWritten
  await file.sync()
}

async function createOnce(temporary: string, path: string): Promise<'created' | 'exists'> {
  try {
    await link(temporary, path)
    return 'created'
  } catch (error) {
    if (isErrno(error, 'EEXIST')) return 'exists'
    // No hard links here (FAT, some network mounts): look, then rename. Names are random, so nobody races for one.
    if (!isErrno(error, 'EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK')) throw error
    if (await stat(path).catch(ignoreMissing)) return 'exists'
    return replace(temporary, path)
  }
}

async function replace(temporary: string, path: string): Promise<'created'> {
  await rename(temporary, path)
  return 'created'
}

async function openIfThere(path: string): Promise<FileHandle | undefined> {
  return open(path, constants.O_RDONLY).catch(ignoreMissing)
}

async function readFully(file: FileHandle, range: { readonly offset: number; readonly length: number }) {
  const bytes = Buffer.allocUnsafeSlow(range.length)
  for (let at = 0; at < bytes.length;) {
    const { bytesRead } = await file.read(bytes, at, bytes.length - at, range.offset + at)
    if (bytesRead === 0) return bytes.subarray(0, at)
    at += bytesRead
  }
  return bytes
}

/** A directory that is not there is empty; one that cannot be read is an error. */
async function entriesOf(root: string, directory: string): Promise<readonly FileEntry[]> {
  return guarded(`list ${directory}`, root, async () => {
    const path = join(root, directory)
    const entries = (await readdir(path, { withFileTypes: true }).catch(ignoreMissing)) ?? []
    const ours = entries.filter((entry) => entry.isDirectory() || (entry.isFile() && !entry.name.startsWith(TEMPORARY)))
    const looked = await Promise.all(
      ours.map(async (entry): Promise<readonly FileEntry[]> => {
        const { name } = entry
        if (entry.isDirectory()) return [{ name, directory: true, size: 0 }]
        const found = await stat(join(path, name)).catch(ignoreMissing)
        // Deleted since the directory was read: as if it had been deleted before.
        return found ? [{ name, directory: false, size: found.size, modified: found.mtime }] : []
      }),
    )
    return looked.flat()
  })
}

async function syncDirectory(path: string): Promise<void> {
  await using directory = await open(path, constants.O_RDONLY)
  await directory.sync()
}

function ignoreMissing(error: unknown): undefined {
  if (!isErrno(error, 'ENOENT', 'ENOTDIR')) throw error
}

async function guarded<T>(doing: string, root: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw diskError(error, `${doing} at file://${root}`)
  }
}
