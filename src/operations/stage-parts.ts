import { diskError } from '../core/disk-error.ts'
import type { PartEntry } from '../core/manifest.ts'
import { compareParts } from '../core/part-name.ts'
import { displayName } from '../core/sql.ts'
import type { TableName } from '../core/sql.ts'
import { clearHalfBuilt, directoryFor, giveTo, openStaging, stagedParts } from '../engine/placing.ts'
import { stagedPath } from '../engine/staged-path.ts'
import type { Staging } from '../engine/staged-path.ts'
import type { TableDirectory } from '../engine/shadow.ts'
import type { PartCheck } from '../repository/part-checker.ts'
import type { Context } from './context.ts'
import type { ProgressMeter } from './progress.ts'
import type { PartLoader } from './restore-source.ts'

/** A part that lies whole, checked and durable beside the table's data. */
export interface StagedPart {
  readonly part: PartEntry
  readonly directory: TableDirectory
  /** Its name in the staging: `suspect_…` for a part that was damaged before it was backed up. */
  readonly name: string
}

export interface StageRequest {
  readonly source: TableName
  readonly table: TableName
  readonly parts: readonly PartEntry[]
  readonly staging: Staging
}

/**
 * Bring parts beside the table: built under a temporary name, every byte checked, made durable, and only then given their
 * name. What an earlier run of the same restore staged is not fetched again. A part that is damaged in the repository is a
 * finding and is left out.
 */
export async function stageParts(
  { source, table, parts, staging }: StageRequest,
  ctx: Pick<Context, 'disk' | 'emit' | 'self'> & {
    readonly loader: PartLoader
    readonly progress: ProgressMeter
  },
): Promise<readonly StagedPart[]> {
  const { disk, emit, progress } = ctx
  const placed = parts.map((part) => ({
    part,
    directory: directoryFor(part, staging.directories, table),
    name: stagedName(part),
  }))
  openStaging(staging, ctx)
  await clearHalfBuilt(staging, disk)
  const there = stagedParts(staging, disk)
  const missing = placed.filter(({ name }) => !there.has(name))
  const staged = placed
    .filter(({ name }) => there.has(name))
    .map((one) => ({ ...one, directory: there.get(one.name) ?? one.directory }))
  for (const { part } of staged)
    progress.done({ parts: 1, bytes: part.bytes, reused: part.bytes, current: partOf(source, part) })

  const byPart = new Map(missing.map((one) => [one.part, one]))
  const requests = missing
    .toSorted((a, b) => compareParts(a.part.name, b.part.name))
    .map(({ part, directory }) => ({ part, target: stagedPath(directory, staging.key, `tmp-${part.name}`) }))
  const damaged: string[] = []
  await ctx.loader.load(requests, ({ part, target = '' }, result) => {
    const one = byPart.get(part) as StagedPart
    const object = partOf(source, part)
    for (const message of problemsOf(part, result)) emit({ type: 'finding', severity: 'damage', object, message })
    progress.done({ parts: 1, bytes: part.bytes, reused: 0, current: object })
    if (!result.authentic) return void damaged.push(target)
    giveTo(one.directory, target, disk)
    disk.rename(target, stagedPath(one.directory, staging.key, one.name))
    staged.push(one)
  })
  for (const path of damaged) await disk.remove(path)
  for (const directory of staging.directories) disk.sync(stagedPath(directory, staging.key))
  return staged
}

/** A part that was damaged at its source is brought back for inspection, and never into the table by itself. */
function stagedName(part: PartEntry): string {
  return isSuspect({ part }) ? `suspect_${part.name}` : part.name
}

function problemsOf(part: PartEntry, { authentic, problems }: PartCheck): readonly string[] {
  if (!authentic)
    return problems.map((problem) => `${problem}: the part is damaged in the repository and is not restored`)
  const known = part.suspect ?? problems
  return known.map(
    (problem) => `${problem}: it was damaged before the backup, and lies in detached/suspect_${part.name}`,
  )
}

function partOf(table: TableName, part: PartEntry): string {
  return `${displayName(table)} ${part.name}`
}

/** Errors of the data disk, said as such. */
export function stagingError(error: unknown, table: TableName): unknown {
  return diskError(error, `restore ${displayName(table)}`)
}

/** Was it damaged before it was backed up? Such a part never goes into a table by itself. */
export function isSuspect({ part }: Pick<StagedPart, 'part'>): boolean {
  return part.suspect !== undefined
}
