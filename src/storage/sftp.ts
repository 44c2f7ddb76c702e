import { posix } from 'node:path'
import type { Stats } from 'ssh2'
import { PermafrostError } from '../core/errors.ts'
import { connections } from './connections.ts'
import { STATUS, sftpError, statusOf } from './sftp-error.ts'
import { ifThere, optional, readFile, writeFile } from './sftp-file.ts'
import { openSftp, sftpLocation } from './sftp-session.ts'
import type { SftpOptions, SftpSession } from './sftp-session.ts'
import { isKey } from './storage.ts'
import type { CallOptions, ObjectInfo, Storage } from './storage.ts'
import { StorageError } from './storage-error.ts'
import { temporaryKey } from './temporary.ts'
import { walk } from './walk.ts'

/** One call at a time on each: several TCP connections fill a long line better than one. */
const CONNECTIONS = 4

/**
 * Objects as files of an SFTP server. A write is: a temporary file → fsync, where the server offers it → a hard link to its
 * name (which fails when the name is taken), or the renaming that does not overwrite.
 */
export function sftpStorage(options: SftpOptions): Storage {
  const location = sftpLocation(options)
  const pool = connections(CONNECTIONS, (call) => openSftp(options, call))
  const made = new Set<string>()

  /** Run on a connection; `doing` is for the message when the server refuses. */
  const use = <T>(doing: string, call: CallOptions, work: (session: SftpSession) => Promise<T>): Promise<T> =>
    pool.use(call, (session) =>
      work(session).catch((error: unknown) => {
        throw sftpError(error, doing, location)
      }),
    )

  return {
    location,
    traits: { atomicCreate: true, connections: CONNECTIONS, reportsBytes: true },

    get: (key, { range, signal, onBytes } = {}) =>
      use(`read ${key}`, { signal }, (session) => readFile(session, pathOf(session, key), { range, onBytes })),

    put: (key, body, { ifAbsent = false, signal, onBytes } = {}) =>
      use(`write ${key}`, { signal }, async (session) => {
        const [path, temporary] = [pathOf(session, key), pathOf(session, temporaryKey())]
        try {
          for (const file of [temporary, path]) await makeParent(session, file, made)
          await writeFile(session, temporary, { body, onBytes })
          return ifAbsent ? await createOnce(session, temporary, path) : await replace(session, temporary, path)
        } catch (error) {
          // Directories that somebody removed are made again next time.
          made.clear()
          const full = await isFull(session, error, body.length)
          await remove(session, temporary).catch(() => undefined)
          if (!full) throw error
          throw new StorageError('full', `no space left to write ${key} at ${location}`, {
            hint: 'free space there and run it again',
            cause: error,
          })
        }
      }),

    head: (key, { signal } = {}) =>
      use(`look at ${key}`, { signal }, async (session) => {
        const found = await stat(session, pathOf(session, key))
        return found?.isFile() ? { key, size: found.size } : undefined
      }),

    async *list(prefix, { signal } = {}) {
      const read = (directory: string) =>
        use(`list ${directory || 'it'}`, { signal }, (session) => entriesOf(session, `${session.root}/${directory}`))
      for await (const { key, entry } of walk(prefix, read)) {
        yield { key, size: entry.size, modified: entry.modified } satisfies ObjectInfo
      }
    },

    delete: (keys, { signal } = {}) =>
      use('delete', { signal }, async (session) => {
        for (const key of keys) await remove(session, pathOf(session, key))
      }),
  }
}

function pathOf({ root }: SftpSession, key: string): string {
  if (!isKey(key)) throw new PermafrostError('INTERNAL', `${JSON.stringify(key)} is not a key`)
  return `${root}/${key}`
}

/** Make the directory of a file, and those above it, up to one that is there. */
async function makeParent(session: SftpSession, file: string, made: Set<string>): Promise<void> {
  const directory = posix.dirname(file)
  if (made.has(directory) || directory === '/') return
  if (!(await stat(session, directory))) {
    await makeParent(session, directory, made)
    try {
      await session.call((sftp, done) => sftp.mkdir(directory, done))
    } catch (error) {
      // Another writer was faster.
      if (!(await stat(session, directory))) throw error
    }
  }
  made.add(directory)
}

async function createOnce(session: SftpSession, temporary: string, path: string): Promise<'created' | 'exists'> {
  const link = session.call((sftp, done) => sftp.ext_openssh_hardlink(temporary, path, done))
  if (await optional(link, STATUS.failure)) {
    await remove(session, temporary)
    return 'created'
  }
  if (await stat(session, path)) {
    await remove(session, temporary)
    return 'exists'
  }
  // No hard links here. The renaming of SFTP 3 does not overwrite; names are random, so nobody races for one.
  await session.call((sftp, done) => sftp.rename(temporary, path, done))
  return 'created'
}

async function replace(session: SftpSession, temporary: string, path: string): Promise<'created'> {
  const renaming = session.call((sftp, done) => sftp.ext_openssh_rename(temporary, path, done))
  if (!(await optional(renaming))) {
    await remove(session, path)
    await session.call((sftp, done) => sftp.rename(temporary, path, done))
  }
  return 'created'
}

function stat(session: SftpSession, path: string): Promise<Stats | undefined> {
  return ifThere(session.call<Stats>((sftp, done) => sftp.stat(path, done)))
}

async function remove(session: SftpSession, path: string): Promise<void> {
  await ifThere(session.call((sftp, done) => sftp.unlink(path, done)))
}

async function entriesOf(session: SftpSession, directory: string) {
  type Entries = readonly { readonly filename: string; readonly attrs: Stats }[]
  const entries = await ifThere(session.call<Entries>((sftp, done) => sftp.readdir(directory, done)))
  return (entries ?? [])
    .filter(({ filename, attrs }) => !filename.startsWith('.') && (attrs.isFile() || attrs.isDirectory()))
    .map(({ filename, attrs }) => ({
      name: filename,
      directory: attrs.isDirectory(),
      size: attrs.size,
      modified: new Date(attrs.mtime * 1000),
    }))
}

/** SFTP 3 has no word for a full disk: it says "Failure", and some servers tell how much is left. */
async function isFull(session: SftpSession, error: unknown, needed: number): Promise<boolean> {
  if (statusOf(error) !== STATUS.failure) return false
  type Space = { readonly f_bavail: number; readonly f_frsize: number }
  const left = await session
    .call<Space>((sftp, done) => sftp.ext_openssh_statvfs(session.root, done))
    .catch(() => undefined)
  return left !== undefined && left.f_bavail * left.f_frsize < needed
}
