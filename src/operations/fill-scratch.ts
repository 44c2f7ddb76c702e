import type { PartEntry } from '../core/manifest.ts'
import type { TableName } from '../core/sql.ts'
import { attachedBefore, attachParts, moveToDetached, placeParts } from '../engine/attach.ts'
import type { Table } from '../engine/catalog.ts'
import { isMergeTree } from '../engine/catalog.ts'
import { createTable } from '../engine/create.ts'
import { closeStaging } from '../engine/placing.ts'
import { dropScratch, findScratch, findTable } from '../engine/scratch.ts'
import { tableDirectories } from '../engine/shadow.ts'
import { missingAttached, missingPlaced, partsOf, reportMissing, reportMutations } from './check-restored.ts'
import { fillRows } from './fill-rows.ts'
import type { RestoreContext, TableToRestore } from './restore-context.ts'
import { isSuspect, stageParts } from './stage-parts.ts'

export interface FilledScratch {
  /** The parts that are in it. */
  readonly parts: readonly PartEntry[]
  /** Whether that is all of them. */
  readonly whole: boolean
}

/**
 * Make a table under a name of ours, fill it, and compare it with the manifest. It can be killed anywhere: a rerun finds the
 * table by its name and what is staged in it, and goes on from there.
 *
 * @param make how to make it; by its CREATE statement in the backup, unless it must be like one that is there
 */
export async function fillScratch(
  one: TableToRestore,
  scratch: TableName,
  ctx: RestoreContext & { readonly make?: (scratch: TableName) => Promise<void> },
): Promise<FilledScratch> {
  const { engine, info, disk, emit, signal } = ctx
  const { step, source, parts, mutations, key } = one
  if (!isMergeTree(step)) return fillRows(one, scratch, ctx)
  const make = ctx.make ?? ((as: TableName) => createTable(engine, info, { create: step.create, as }))
  const good = parts.filter((part) => !isSuspect({ part }))
  const { table, placed } = await openScratch({ scratch, good }, ctx, make)
  const directories = tableDirectories(table, info)
  const staging = { directories, key }
  const direct = !step.engine.startsWith('Replicated')
  const before = direct ? placed : attachedBefore(directories, { disk, key })

  const left = parts.filter((part) => !before.has(part.name))
  for (const part of parts)
    if (before.has(part.name))
      ctx.progress.done({ parts: 1, bytes: part.bytes, reused: part.bytes, current: part.name })
  const staged = await stageParts({ source, table: step.target, parts: left, staging }, ctx)
  const ready = staged.filter((part) => !isSuspect(part))
  const place = { engine, disk, key, directories, mutations, signal }
  if (ready.length > 0) await (direct ? placeParts : attachParts)(scratch, ready, place)
  for (const suspect of staged.filter(isSuspect)) moveToDetached(scratch, suspect, place)

  if (!direct) reportMutations(one, emit)
  const expected = good.filter((part) => before.has(part.name) || ready.some((it) => it.part === part))
  const loaded = await partsOf(engine, scratch)
  const missing = direct ? missingPlaced(expected, loaded).length : missingAttached(expected, loaded)
  reportMissing(step.target, missing, emit)
  await closeStaging(staging, disk)
  return { parts: expected, whole: missing === 0 && expected.length === parts.length }
}

/**
 * The scratch table, new or as a killed run left it. Parts that are loaded already count as placed when they are exactly what
 * was placed; when merges have begun on a half-filled table it is dropped, for more parts could not join the merged ones.
 */
async function openScratch(
  { scratch, good }: { readonly scratch: TableName; readonly good: readonly PartEntry[] },
  { engine }: RestoreContext,
  make: (scratch: TableName) => Promise<void>,
): Promise<{ readonly table: Table; readonly placed: ReadonlySet<string> }> {
  const found = await findScratch(engine, scratch)
  if (found) {
    const loaded = await partsOf(engine, scratch)
    const missing = new Set(missingPlaced(good, loaded))
    const placed = new Set(good.filter((part) => !missing.has(part)).map((part) => part.name))
    const untouched = [...loaded.values()].every((part) => part.active && placed.has(part.name))
    if (missing.size === 0 || untouched || found.engine.startsWith('Replicated')) return { table: found, placed }
    await dropScratch(engine, scratch)
  }
  await make(scratch)
  return { table: (await findTable(engine, scratch)) as Table, placed: new Set() }
}
