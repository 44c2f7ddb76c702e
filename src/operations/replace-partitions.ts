import type { PartEntry } from '../core/manifest.ts'
import { displayName, sql } from '../core/sql.ts'
import type { TableName } from '../core/sql.ts'
import { createTableLike } from '../engine/create.ts'
import type { ServerPart } from '../engine/parts.ts'
import { dropScratch, findTable, scratchName } from '../engine/scratch.ts'
import { partsOf } from './check-restored.ts'
import { fillScratch } from './fill-scratch.ts'
import type { RestoreContext, TableToRestore } from './restore-context.ts'

/**
 * Replace partitions of a table that is there, each by one atomic statement, with what was restored and checked beside it.
 * The rows that they held are attached to a table of their own first, by hard links, so nothing is destroyed.
 */
export async function replacePartitions(
  one: TableToRestore,
  ctx: RestoreContext,
): Promise<{ readonly parts: readonly PartEntry[]; readonly kept?: TableName }> {
  const { engine, emit } = ctx
  const { target } = one.step
  const scratch = scratchName(target.database, one.key)
  const make = (as: TableName) => createTableLike(engine, as, target)
  const { parts, whole } = await fillScratch(one, scratch, { ...ctx, make })
  if (!whole) {
    const message = `was not changed, because not all of it could be restored: what could be is in ${displayName(scratch)}`
    emit({ type: 'finding', severity: 'incomplete', object: displayName(target), message })
    return { parts }
  }
  // Named after this restore, so that a rerun finds what it kept before.
  const kept = { database: target.database, name: `permafrost_replaced_${one.key}` }
  for (const partition of one.step.partitions) await replacePartition(partition, { target, scratch, kept }, ctx)
  const keptAny = await findTable(engine, kept)
  await dropScratch(engine, scratch)
  return { parts, ...(keptAny && { kept }) }
}

async function replacePartition(
  partition: string,
  { target, scratch, kept }: Readonly<Record<'target' | 'scratch' | 'kept', TableName>>,
  { engine }: RestoreContext,
): Promise<void> {
  const of = async (table: TableName) => activeOf(await partsOf(engine, table), partition)
  const [restored, now, saved] = [await of(scratch), await of(target), await of(kept)]
  // Killed after this partition was replaced, before the next.
  if (sameHashes(restored, now)) return
  if (now.length > 0 && saved.length === 0) {
    await createTableLike(engine, kept, target)
    await engine.command(sql`ALTER TABLE ${kept} ATTACH PARTITION ID ${partition} FROM ${target}`)
  }
  await engine.command(sql`ALTER TABLE ${target} REPLACE PARTITION ID ${partition} FROM ${scratch}`)
}

function activeOf(parts: ReadonlyMap<string, ServerPart>, partition: string): readonly ServerPart[] {
  return [...parts.values()].filter((part) => part.active && part.partition === partition)
}

function sameHashes(a: readonly ServerPart[], b: readonly ServerPart[]): boolean {
  const hashes = (parts: readonly ServerPart[]) =>
    parts
      .map((part) => part.hash ?? '')
      .sort()
      .join()
  return a.length > 0 && a.every((part) => part.hash !== undefined) && hashes(a) === hashes(b)
}
