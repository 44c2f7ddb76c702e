import { join } from 'node:path'
import type { Disk } from '../core/disk.ts'
import { ROWS_FILE } from '../core/native-part.ts'
import { displayName, sql } from '../core/sql.ts'
import type { TableName } from '../core/sql.ts'
import { createTable } from '../engine/create.ts'
import { number } from '../engine/engine.ts'
import type { ServerDisk } from '../engine/engine.ts'
import { dropScratch } from '../engine/scratch.ts'
import type { TableDirectory } from '../engine/shadow.ts'
import { stagedPath } from '../engine/staged-path.ts'
import type { FilledScratch } from './fill-scratch.ts'
import type { RestoreContext, TableToRestore } from './restore-context.ts'
import { isSuspect, stageParts } from './stage-parts.ts'

/** Fill a new table that has no parts: its rows are fetched and checked like a part, and then inserted. */
export async function fillRows(one: TableToRestore, scratch: TableName, ctx: RestoreContext): Promise<FilledScratch> {
  const { engine, info, disk, emit, signal } = ctx
  const { step, source, parts, key } = one
  // A run that was killed may have inserted some of them.
  await dropScratch(engine, scratch)
  await createTable(engine, info, { create: step.create, as: scratch })
  const local = info.disks.find(({ type, encrypted }) => type === 'local' && !encrypted)
  if (parts.length === 0 || !local) return { parts: [], whole: parts.length === 0 }
  const directory = stagingOn(local, key)
  disk.makeDirectory(directory.local)
  const staging = { directories: [directory], key }
  const staged = await stageParts({ source, table: step.target, parts, staging }, ctx)
  const good = staged.filter((part) => !isSuspect(part))
  for (const { name } of good) {
    const file = join(stagedPath(directory, key, name), ROWS_FILE)
    await engine.insert(sql`INSERT INTO ${scratch} FORMAT Native`, readFile(file, disk), { signal })
  }
  const [row] = await engine.query(sql`SELECT count() AS n FROM ${scratch}`)
  const rows = row ? number(row, 'n') : 0
  const wanted = parts.reduce((sum, part) => sum + part.rows, 0)
  const whole = good.length === parts.length && rows >= wanted
  if (!whole) {
    const message = `${rows} of ${wanted} rows are in the table after the restore`
    emit({ type: 'finding', severity: 'incomplete', object: displayName(step.target), message })
  }
  await disk.remove(directory.local)
  return { parts: good.map(({ part }) => part), whole }
}

/** Such a table has no directory, or one that is its engine's own. */
function stagingOn(disk: ServerDisk, key: string): TableDirectory {
  const relative = `shadow/permafrost-rows-${key}/`
  return { disk, relative, local: disk.local + relative }
}

const CHUNK = 1 << 20

async function* readFile(path: string, disk: Disk): AsyncGenerator<Uint8Array> {
  const file = disk.open(path, 'read')
  try {
    for (;;) {
      const bytes = Buffer.alloc(CHUNK)
      const length = disk.readInto(file, bytes)
      if (length === 0) return
      yield bytes.subarray(0, length)
    }
  } finally {
    disk.close(file)
  }
}
