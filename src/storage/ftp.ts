import { posix } from 'node:path'
import { FileType, FTPError } from 'basic-ftp'
import type { Client } from 'basic-ftp'
import { PermafrostError } from '../core/errors.ts'
import { connections } from './connections.ts'
import { ftpError, isUnavailable } from './ftp-error.ts'
import { readFile, sizeOf, writeFile } from './ftp-file.ts'
import { ftpLocation, openFtp } from './ftp-session.ts'
import type { FtpOptions, FtpSession } from './ftp-session.ts'
import { isKey } from './storage.ts'
import type { CallOptions, ObjectInfo, Storage } from './storage.ts'
import { StorageError } from './storage-error.ts'
import { temporaryKey } from './temporary.ts'
import { walk } from './walk.ts'

const CONNECTIONS = 4
/** The largest record of a repository. FTP has no checksums, so what others depend on is read back. */
const READ_BACK = 1024 * 1024

/**
 * Objects as files of an FTP server. A write is: a temporary file → its size compared, and a small one read back → a look at
 * its name → renaming. FTP can create nothing once only: names are random, so nobody races for one.
 */
export function ftpStorage(options: FtpOptions): Storage {
  const location = ftpLocation(options)
  const pool = connections(CONNECTIONS, (call) => openFtp(options, call))
  const made = new Set<string>()

  /** Run on a connection; `doing` is for the message when the server refuses. */
  const use = <T>(doing: string, call: CallOptions, work: (session: FtpSession) => Promise<T>): Promise<T> =>
    pool.use(call, (session) =>
      work(session).catch((error: unknown) => {
        throw ftpError(error, doing, location)
      }),
    )

  return {
    location,
    traits: { atomicCreate: false, connections: CONNECTIONS, reportsBytes: true },

    get: (key, { range, signal, onBytes } = {}) =>
      use(`read ${key}`, { signal }, (session) => readFile(session.client, pathOf(session, key), { range, onBytes })),

    put: (key, body, { ifAbsent = false, signal, onBytes } = {}) =>
      use(`write ${key}`, { signal }, async (session) => {
        const { client } = session
        const [path, temporary] = [pathOf(session, key), pathOf(session, temporaryKey())]
        try {
          for (const file of [temporary, path]) await makeParent(client, file, made)
          await writeFile(client, temporary, { body, onBytes })
          if (body.length <= READ_BACK) await compare(client, temporary, body)
          if (ifAbsent && (await sizeOf(client, path)) !== undefined) {
            await remove(client, temporary)
            return 'exists'
          }
          await replace(client, temporary, path)
          return 'created'
        } catch (error) {
          // Directories that somebody removed are made again next time.
          made.clear()
          if (!client.closed) await remove(client, temporary).catch(() => undefined)
          throw error
        }
      }),

    head: (key, { signal } = {}) =>
      use(`look at ${key}`, { signal }, async (session) => {
        const size = await sizeOf(session.client, pathOf(session, key))
        return size === undefined ? undefined : { key, size }
      }),

    async *list(prefix, { signal } = {}) {
      const read = (directory: string) =>
        use(`list ${directory || 'it'}`, { signal }, (session) =>
          entriesOf(session.client, posix.join('/', session.root, directory)),
        )
      for await (const { key, entry } of walk(prefix, read)) {
        const { size, modified } = entry
        yield { key, size, ...(modified && { modified }) } satisfies ObjectInfo
      }
    },

    delete: (keys, { signal } = {}) =>
      use('delete', { signal }, async (session) => {
        for (const key of keys) await remove(session.client, pathOf(session, key))
      }),
  }
}

function pathOf({ root }: FtpSession, key: string): string {
  if (!isKey(key)) throw new PermafrostError('INTERNAL', `${JSON.stringify(key)} is not a key`)
  return `${root}/${key}`
}

/** Make the directory of a file, and those above it. One that is there already is refused, and so is one that we may not make:
 * the upload into it tells which. */
async function makeParent(client: Client, file: string, made: Set<string>): Promise<void> {
  const directory = posix.dirname(file)
  if (made.has(directory) || directory === '/') return
  await makeParent(client, directory, made)
  await client.sendIgnoringError(`MKD ${directory}`)
  made.add(directory)
}

async function compare(client: Client, path: string, body: Uint8Array): Promise<void> {
  const stored = await readFile(client, path, {})
  if (stored && Buffer.compare(stored, body) === 0) return
  throw new StorageError('broken', `the server gives back other bytes of ${path} than it was sent`)
}

async function replace(client: Client, temporary: string, path: string): Promise<void> {
  try {
    await client.rename(temporary, path)
  } catch (error) {
    // Some servers refuse to rename over a file.
    if (!(error instanceof FTPError) || (await sizeOf(client, path)) === undefined) throw error
    await remove(client, path)
    await client.rename(temporary, path)
  }
}

async function remove(client: Client, path: string): Promise<void> {
  try {
    await client.remove(path)
  } catch (error) {
    if (!isUnavailable(error) || (await sizeOf(client, path)) !== undefined) throw error
  }
}

interface Entry {
  readonly name: string
  readonly directory: boolean
  readonly size: number
  readonly modified: Date | undefined
}

/** A directory that cannot be listed is not there only when the one above it does not name it. */
async function entriesOf(client: Client, directory: string): Promise<readonly Entry[]> {
  const path = directory.replace(/(?<=.)\/+$/, '')
  try {
    return (await client.list(path))
      .filter(({ name, type }) => !name.startsWith('.') && (type === FileType.File || type === FileType.Directory))
      .map(({ name, type, size, modifiedAt }) => ({
        name,
        directory: type === FileType.Directory,
        size,
        modified: modifiedAt,
      }))
  } catch (error) {
    if (!isUnavailable(error) || path === '/') throw error
    const above = await entriesOf(client, posix.dirname(path))
    if (above.some(({ name }) => name === posix.basename(path))) throw error
    return []
  }
}
