import { inBatches } from '../core/in-batches.ts'
import type { FileIdentity, PartEntry, Segment } from '../core/manifest.ts'
import { identitiesOf, placementOf, planPart } from '../core/store-plan.ts'
import type { SourceFile, PlannedRun, StoredFiles } from '../core/store-plan.ts'
import type { Emit } from '../core/events.ts'
import { LARGE_FILE } from '../core/part-stream.ts'
import type { Table } from '../engine/catalog.ts'
import type { ServerPart } from '../engine/parts.ts'
import type { FrozenPart } from '../engine/shadow.ts'
import type { Journal } from '../repository/journal.ts'
import type { StoreItem, StoreResult } from '../repository/store-parts.ts'
import { partName } from './inspect-parts.ts'
import type { InspectedPart } from './inspect-parts.ts'
import type { StoreQueue } from './store-queue.ts'

export interface StorePartContext {
  readonly table: Table
  /** Whether its partition is the last of the table. */
  readonly newest: boolean
  readonly server: ServerPart | undefined
  /** Files that are in the repository, by inode. */
  readonly stored: StoredFiles
  readonly queue: StoreQueue
  readonly journal: Journal
  readonly emit: Emit
}

/** A part that is in the repository now, and how much of it was there before. */
export interface StoredPart {
  readonly entry: PartEntry
  readonly reused: number
}

/** A part longer than this is stored by several workers, cut between its large files. */
const ITEM_BYTES = 256 << 20

type StoreRun = Extract<PlannedRun, { action: 'store' }>

/**
 * Store a new part: plan which of its files must be, hand these to the queue, and write down where everything lies. Settles
 * when the part is on its way; `stored` when it is there, or with nothing when it could not be read.
 */
export async function storePart(
  inspected: InspectedPart & { readonly files: readonly SourceFile[] },
  ctx: StorePartContext,
): Promise<{ readonly stored: Promise<StoredPart | undefined> }> {
  const { part, files } = inspected
  const plan = planPart(files, ctx.stored)
  const runs = plan.filter((run) => run.action === 'store')
  const placement = placementOf({ name: part.name, newest: ctx.newest })
  const label = partName(ctx.table, part)
  const results: Promise<StoreResult>[] = []
  const groups = inBatches(runs, { weightOf: ({ bytes }) => bytes, most: ITEM_BYTES })
  for (const group of groups) {
    const item: StoreItem = {
      directory: part.directory,
      label,
      runs: group.map((run) => run.files.map(({ path, size, hash }) => ({ path, size, ...(hash && { hash }) }))),
    }
    const sum = (count: (run: StoreRun) => number) => group.reduce((total, run) => total + count(run), 0)
    const { result } = await ctx.queue.add({
      item,
      placement,
      bytes: sum((run) => run.bytes),
      files: sum((run) => run.files.length),
    })
    results.push(groups.length === 1 ? result : journaled(result, { part, group }, ctx))
  }
  const stored = Promise.all(results).then((all) => assemble(inspected, { plan, results: all }, ctx))
  // Awaited by the partition, later than other work that may fail first.
  stored.catch(() => undefined)
  return { stored }
}

/** A part that takes long is written down in pieces: after a kill its large files are known by their inodes. */
async function journaled(
  storing: Promise<StoreResult>,
  { part, group }: { readonly part: FrozenPart; readonly group: readonly StoreRun[] },
  { table, journal }: StorePartContext,
): Promise<StoreResult> {
  const result = await storing
  if (result.outcome === 'unreadable' || result.suspect.length > 0) return result
  const large = group.flatMap((run, index) =>
    run.files.length === 1 && run.bytes >= LARGE_FILE ? [{ run, at: result.runs[index] ?? [] }] : [],
  )
  const files = large.flatMap(({ run }) => run.files)
  if (files.length === 0) return result
  await journal.add(table, {
    name: part.name,
    // No part has this identity: the files are found by their inodes, and never taken for the whole.
    k: '0'.repeat(64),
    rows: 0,
    bytes: large.reduce((sum, { run }) => sum + run.bytes, 0),
    disk: part.disk,
    files: files.map(({ path, size }) => [path, size]),
    segments: large.flatMap(({ at }) => at),
    identities: identitiesOf(files),
  })
  return result
}

function assemble(
  { part, inspection, files }: InspectedPart & { readonly files: readonly SourceFile[] },
  { plan, results }: { readonly plan: readonly PlannedRun[]; readonly results: readonly StoreResult[] },
  { table, server, emit }: StorePartContext,
): StoredPart | undefined {
  const object = partName(table, part)
  const stored: (readonly Segment[])[] = []
  const suspect = [...inspection.problems, ...serverProblems(inspection, server)]
  for (const result of results) {
    if (result.outcome === 'unreadable') {
      emit({ type: 'finding', severity: 'damage', object, message: `cannot be stored: ${result.message}` })
      return undefined
    }
    stored.push(...result.runs)
    suspect.push(...result.suspect)
  }
  for (const message of suspect)
    emit({ type: 'finding', severity: 'damage', object, message: `${message}: the part is damaged at its source` })
  let next = 0
  const segments = plan.flatMap((run) => (run.action === 'reuse' ? run.segments : (stored[next++] ?? [])))
  const identities: readonly FileIdentity[] = identitiesOf(files)
  const entry: PartEntry = {
    name: part.name,
    k: inspection.k,
    ...(inspection.hash !== undefined && { hash: inspection.hash }),
    rows: server?.rows ?? inspection.rows ?? 0,
    bytes: files.reduce((sum, file) => sum + file.size, 0),
    disk: part.disk,
    files: files.map(({ path, size }) => [path, size]),
    segments,
    ...(identities.length > 0 && { identities }),
    ...(inspection.encrypted && { encrypted: true as const }),
    ...(suspect.length > 0 && { suspect }),
  }
  return { entry, reused: plan.reduce((sum, run) => sum + (run.action === 'reuse' ? run.bytes : 0), 0) }
}

/** The server keeps what it read when it loaded the part; a `checksums.txt` that says something else now has changed since. */
function serverProblems({ hash }: InspectedPart['inspection'], server: ServerPart | undefined): readonly string[] {
  const differs = hash !== undefined && server?.hash !== undefined && server.hash !== hash
  return differs ? ['checksums.txt is not the one that the server loaded'] : []
}
