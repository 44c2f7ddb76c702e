import type { PartEntry } from '../core/manifest.ts'
import type { RestoreStep } from '../core/restore-plan.ts'
import { displayName } from '../core/sql.ts'
import type { TableName } from '../core/sql.ts'
import { attachedBefore, attachParts, moveToDetached } from '../engine/attach.ts'
import { readCatalog, readDatabases } from '../engine/catalog.ts'
import type { Table } from '../engine/catalog.ts'
import { createTable } from '../engine/create.ts'
import { closeStaging } from '../engine/placing.ts'
import { findTable, keptName, renameTable, scratchName, swapTables } from '../engine/scratch.ts'
import { tableDirectories } from '../engine/shadow.ts'
import { missingAttached, partsOf, reportMissing, reportMutations } from './check-restored.ts'
import { defineObject } from './define-object.ts'
import { fillScratch } from './fill-scratch.ts'
import { replacePartitions } from './replace-partitions.ts'
import type { RestoreContext, TableToRestore } from './restore-context.ts'
import { isSuspect, stageParts } from './stage-parts.ts'

export interface RestoredTable {
  readonly table: TableName
  readonly action: RestoreStep['action']
  readonly parts: number
  readonly rows: number
  readonly bytes: number
  /** Where the rows that were replaced are now. */
  readonly kept?: TableName
}

/** Restore one table, as its step says. */
export async function restoreTable(one: TableToRestore, ctx: RestoreContext): Promise<RestoredTable> {
  const { step } = one
  const { action, target } = step
  const done = (parts: readonly PartEntry[], kept?: TableName): RestoredTable => {
    const sum = (count: (part: PartEntry) => number) => parts.reduce((total, part) => total + count(part), 0)
    return {
      table: target,
      action,
      parts: parts.length,
      rows: sum((part) => part.rows),
      bytes: sum((part) => part.bytes),
      ...(kept && { kept }),
    }
  }
  switch (action) {
    case 'create-empty':
      await createTable(ctx.engine, ctx.info, { create: step.create, as: target })
      return done([])
    case 'create': {
      const scratch = scratchName(target.database, one.key)
      const { parts } = await fillScratch(one, scratch, ctx)
      await renameTable(ctx.engine, scratch, target)
      return done(parts)
    }
    case 'swap':
      return swap(one, ctx, done)
    case 'swap-partitions': {
      const { parts, kept } = await replacePartitions(one, ctx)
      return done(parts, kept)
    }
    case 'attach':
    case 'detach':
      return done(await intoExisting(one, ctx))
    case 'define':
    case 'define-detached':
    case 'keep':
      await defineObject(step, ctx)
      return done([])
  }
}

async function swap(
  one: TableToRestore,
  ctx: RestoreContext,
  done: (parts: readonly PartEntry[], kept?: TableName) => RestoredTable,
): Promise<RestoredTable> {
  const { target } = one.step
  const scratch = scratchName(target.database, one.key)
  const { parts, whole } = await fillScratch(one, scratch, ctx)
  const { names, atomic } = await databaseOf(target, ctx)
  const kept = keptName(target, names)
  if (whole) {
    await swapTables(ctx.engine, scratch, { target, kept, atomic })
    return done(parts, kept)
  }
  const beside = keptName({ ...target, name: `${target.name}_not` }, names)
  await renameTable(ctx.engine, scratch, beside)
  const message = `was not replaced, because not all of it could be restored: what could be is in ${displayName(beside)}`
  ctx.emit({ type: 'finding', severity: 'incomplete', object: displayName(target), message })
  return done(parts)
}

/** Into a table that is there: parts attached, or laid beside it for the user to attach. */
async function intoExisting(one: TableToRestore, ctx: RestoreContext): Promise<readonly PartEntry[]> {
  const { engine, disk, emit, progress } = ctx
  const { step, source, parts, key } = one
  reportMutations(one, emit)
  const table = (await findTable(engine, step.target)) as Table
  const directories = tableDirectories(table, ctx.info)
  const before = attachedBefore(directories, { disk, key })
  const done = parts.filter((part) => before.has(part.name))
  for (const part of done) progress.done({ parts: 1, bytes: part.bytes, reused: part.bytes, current: part.name })
  const left = parts.filter((part) => !before.has(part.name))
  const staged = await stageParts({ source, table: step.target, parts: left, staging: { directories, key } }, ctx)
  const good = staged.filter((part) => !isSuspect(part))
  const place = { ...ctx, key, directories }
  for (const part of step.action === 'detach' ? staged : staged.filter(isSuspect))
    moveToDetached(step.target, part, place)
  if (step.action === 'attach') {
    await attachParts(step.target, good, place)
    const attached = [...done, ...good.map(({ part }) => part)]
    reportMissing(step.target, missingAttached(attached, await partsOf(engine, step.target)), emit)
  }
  await closeStaging({ directories, key }, disk)
  return [...done, ...good.map(({ part }) => part)]
}

async function databaseOf(
  table: TableName,
  { engine }: RestoreContext,
): Promise<{ readonly names: ReadonlySet<string>; readonly atomic: boolean }> {
  const tables = await readCatalog(engine, await engine.describe())
  const database = (await readDatabases(engine)).find(({ name }) => name === table.database)
  return {
    names: new Set(tables.filter((one) => one.database === table.database).map((one) => one.name)),
    atomic: database?.engine === 'Atomic',
  }
}
