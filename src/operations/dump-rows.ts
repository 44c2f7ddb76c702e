import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { CHECKSUMS_FILE } from '../core/checksums.ts'
import { createCityHash, fileHash } from '../core/cityhash.ts'
import type { Disk } from '../core/disk.ts'
import { PermafrostError } from '../core/errors.ts'
import { ABOUT_FILE, COUNT_FILE, encodeChecksums, ROWS_FILE, ROWS_PART } from '../core/native-part.ts'
import { displayName, sql } from '../core/sql.ts'
import type { TableName } from '../core/sql.ts'
import type { Table } from '../engine/catalog.ts'
import { number } from '../engine/engine.ts'
import type { Engine } from '../engine/engine.ts'
import { makeFreezeName } from '../engine/freeze-name.ts'
import type { Context } from './context.ts'
import type { FrozenTable } from './frozen-tables.ts'

/** Rows of tables without parts, written down beside the shadow; dispose of it to remove them. */
export interface DumpedRows extends AsyncDisposable {
  readonly tables: readonly FrozenTable[]
}

const TRIES = 3

/**
 * Read tables that FREEZE does not cover, and lay each down like a frozen part. The directory is named like a freeze of ours, so
 * what a killed run leaves is cleared by the next one.
 */
export async function dumpRows(tables: readonly Table[], ctx: Context): Promise<DumpedRows> {
  const { engine, disk, self, random, clock, emit } = ctx
  const local = (await engine.describe()).disks.find(({ type, encrypted }) => type === 'local' && !encrypted)
  if (tables.length === 0 || !local) return { tables: [], [Symbol.asyncDispose]: async () => undefined }
  const root = join(local.local, 'shadow', makeFreezeName(self, random))
  const undo = () => disk.remove(root)
  const dumped: FrozenTable[] = []
  try {
    for (const [index, table] of tables.entries()) {
      ctx.signal.throwIfAborted()
      const directory = join(root, `rows-${index}`, ROWS_PART)
      const at = clock()
      try {
        await dumpTable(table, directory, ctx)
        dumped.push({ table, at, parts: [{ name: ROWS_PART, directory, disk: local.name }] })
      } catch (error) {
        if (!(error instanceof PermafrostError) || error.code === 'CANCELLED') throw error
        const message = `its rows could not be read, and are not in the backup: ${error.message}`
        emit({ type: 'finding', severity: 'incomplete', object: displayName(table), message })
      }
    }
  } catch (error) {
    await undo()
    throw error
  }
  return { tables: dumped, [Symbol.asyncDispose]: undo }
}

async function dumpTable(table: Table, directory: string, { engine, disk, emit, signal }: Context): Promise<void> {
  for (let tries = 1; ; tries++) {
    await disk.remove(directory)
    disk.makeDirectory(directory)
    const before = await countRows(engine, table)
    const rows = await writeRows(table, join(directory, ROWS_FILE), { engine, disk, signal })
    const count = await countRows(engine, table)
    if (before !== count && tries < TRIES) continue
    if (before !== count) {
      const message = 'it was written to while it was read: how many of its rows are in the backup is not known'
      emit({ type: 'finding', severity: 'warning', object: displayName(table), message })
    }
    const countText = Buffer.from(String(before))
    const checksums = encodeChecksums(
      new Map([
        [COUNT_FILE, { size: countText.length, hash: fileHash(countText) }],
        [ROWS_FILE, { size: rows.size, hash: rows.hash }],
      ]),
    )
    const about = { format: 'Native', engine: table.engine, sha256: rows.sha256 }
    writeFile(join(directory, COUNT_FILE), countText, disk)
    writeFile(join(directory, ABOUT_FILE), Buffer.from(JSON.stringify(about)), disk)
    writeFile(join(directory, CHECKSUMS_FILE), checksums, disk)
    return
  }
}

const CHUNK = 1 << 20

/** One thread: the same rows in the same order are the same bytes, and not stored twice. */
async function writeRows(
  table: TableName,
  path: string,
  { engine, disk, signal }: Pick<Context, 'engine' | 'disk' | 'signal'>,
): Promise<{ readonly size: number; readonly hash: string; readonly sha256: string }> {
  const hasher = createCityHash(CHUNK)
  const sha256 = createHash('sha256')
  const file = disk.open(path, 'create')
  let size = 0
  hasher.fileBegin()
  try {
    const settings = { max_threads: 1 }
    for await (const bytes of engine.stream(sql`SELECT * FROM ${table}`, {
      format: 'Native',
      whole: true,
      signal,
      settings,
    })) {
      for (let at = 0; at < bytes.length; at += CHUNK) hasher.fileUpdate(bytes.subarray(at, at + CHUNK))
      sha256.update(bytes)
      disk.write(file, bytes)
      size += bytes.length
    }
  } finally {
    disk.close(file)
  }
  return { size, hash: hasher.fileEnd(), sha256: sha256.digest('hex') }
}

async function countRows(engine: Pick<Engine, 'query'>, table: TableName): Promise<number> {
  const [row] = await engine.query(sql`SELECT count() AS n FROM ${table}`)
  return row ? number(row, 'n') : 0
}

function writeFile(path: string, bytes: Uint8Array, disk: Disk): void {
  const file = disk.open(path, 'create')
  disk.write(file, bytes)
  disk.close(file)
}
