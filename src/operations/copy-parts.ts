import pLimit from 'p-limit'
import { PermafrostError } from '../core/errors.ts'
import type { BackupSummary, PartEntry, PartitionEntry, TableEntry } from '../core/manifest.ts'
import { segmentsOfRuns } from '../core/part-stream.ts'
import { displayName } from '../core/sql.ts'
import { placementOf, planPart, storedFiles } from '../core/store-plan.ts'
import type { PlannedRun, SourceFile, StoredFiles } from '../core/store-plan.ts'
import { makeFreezeName } from '../engine/freeze-name.ts'
import type { Table } from '../engine/catalog.ts'
import { readContents, readParts, readPartitions, readSchemas, readSummary } from '../repository/backups.ts'
import { openJournal } from '../repository/journal.ts'
import type { Journals } from '../repository/journal.ts'
import { metaWriter } from '../repository/meta-writer.ts'
import { openPool } from '../repository/pool.ts'
import type { RecodeItem, RecodeResult } from '../repository/recode-parts.ts'
import { openSession, sessionKeys } from '../repository/session.ts'
import { commitBackup } from './commit-backup.ts'
import type { CopyContext } from './copy.ts'
import { gatherPartition } from './gather-partition.ts'
import type { GatherContext, GatheredPartition } from './gather-partition.ts'
import { findInterrupted } from './interrupted.ts'
import { jobQueue } from './job-queue.ts'
import type { JobQueue } from './job-queue.ts'
import type { Parents } from './parents.ts'
import { progressMeter } from './progress.ts'
import type { Done } from './progress.ts'
import { storeManifest } from './store-manifest.ts'
import { storedBefore } from './stored-before.ts'
import type { StoredPart } from './store-part.ts'
import { packJob } from './store-queue.ts'

/** What a table has in the backup that is copied. */
interface SourceTable {
  readonly entry: TableEntry
  readonly table: Table
  readonly partitions: readonly PartitionEntry[]
}

/**
 * Copy a backup to a repository with keys of its own: parts, and files of parts, that the target has
 * from earlier copies are pointed to, the others opened, checked, and sealed again.
 *
 * @returns bytes that were stored
 * @throws DAMAGED when a part is not what its manifest says, KEY_WRONG for a key that cannot read data, CONFLICT
 */
export async function copyParts(ctx: CopyContext, backup: string): Promise<number> {
  const { source, target, random, clock, self } = ctx
  const to = { ...ctx, repository: target }
  const summary = await readSummary(source, backup)
  const contents = await readContents(source, backup)
  const tables = await sourceTables(ctx, contents.tables)
  const interrupted = await findInterrupted(to, { server: summary.server, demanded: false })
  const session = openSession(target, random)
  const journalist = { session: session.id, server: summary.server, maker: makeFreezeName(self, random) }
  const journal = openJournal(target, journalist, { random, clock })
  const meta = metaWriter(target, { session: session.id, random })
  const names = tables.map(({ table }) => table)
  const before = await storedBefore(to, { server: summary.server, tables: names, interrupted })
  const progress = progressMeter(ctx, { phase: 'store', total: { parts: summary.parts, bytes: summary.logical } })
  let packs = 0
  await using pool = openPool({
    ...ctx,
    ...ctx.limits,
    storage: target.storage,
    source: source.storage,
    packTarget: target.format.packTarget,
  })
  pool.onBytes((bytes, direction) => {
    if (direction === 'out') packs += bytes
    else progress.moved(bytes)
  })
  const keyOf = sessionKeys(source)
  const queue = jobQueue<RecodeItem, RecodeResult>({
    pool,
    run: async (items) => {
      const sessions = new Set(
        items.flatMap(({ runs }) => runs.flatMap(({ segments }) => segments.map(({ pack }) => pack.session))),
      )
      const dataKeys = await Promise.all([...sessions].map(async (id) => [id, await keyOf(id)] as const))
      const from = { suite: source.keys.suite, dataKeys: Object.fromEntries(dataKeys) }
      const making = { pool, session, suite: target.keys.suite, random, compression: ctx.limits.compression }
      return pool.recode({ items, from, to: await packJob(making) })
    },
  })
  const onDone = (done: Done) => progress.done(done)
  const manifest = async (journals: Journals) => {
    const parents = await before.parents(journals)
    const stored = await storeTables(tables, { ...ctx, parents, queue, meta, journal, onDone, inTurn: pLimit(1) })
    const entries = await storeManifest(stored, { parents, meta })
    const { parent: _, ...same } = summary
    const copied: BackupSummary = {
      ...same,
      session: session.id,
      ...(parents.newest && { parent: parents.newest }),
      stored: packs + meta.stored,
      reused: stored.reduce((sum, { reused }) => sum + reused, 0),
    }
    return { summary: copied, contents: { ...contents, tables: entries } }
  }
  const of = { id: summary.server, host: self.host }
  await commitBackup(to, { session, meta, journal, ...before, server: of }, manifest)
  return packs + meta.stored
}

async function sourceTables({ source }: CopyContext, entries: readonly TableEntry[]): Promise<readonly SourceTable[]> {
  const [partitions, schemas] = await Promise.all([readPartitions(source, entries), readSchemas(source, entries)])
  return entries.flatMap((entry, index) => {
    const [schema, of] = [schemas[index], partitions[index]]
    if (!schema || !of) return []
    const { database, name, uuid, engine } = entry
    const table = { database, name, uuid, engine, paths: [], storagePolicy: '', totalBytes: undefined, schema }
    return [{ entry, table, partitions: of }]
  })
}

interface CopyTablesContext extends CopyContext, GatherContext {
  readonly parents: Parents
  readonly queue: JobQueue<RecodeItem, RecodeResult>
}

/** As a backup does it: partitions are planned one after another, and their data flows through the queue meanwhile. */
async function storeTables(tables: readonly SourceTable[], ctx: CopyTablesContext) {
  const planned: { readonly of: SourceTable; readonly partitions: Promise<GatheredPartition>[] }[] = []
  let failure: unknown
  for (const of of tables) {
    const partitions: Promise<GatheredPartition>[] = []
    planned.push({ of, partitions })
    for (const partition of of.partitions) {
      ctx.signal.throwIfAborted()
      if (failure !== undefined) throw failure
      const { gathered } = await copyPartition(partition, of, ctx)
      gathered.catch((error: unknown) => (failure ??= error))
      partitions.push(gathered)
    }
  }
  await ctx.queue.flush()
  const gathered = await Promise.all(
    planned.map(async ({ of, partitions }) => ({ of, partitions: await Promise.all(partitions) })),
  )
  await ctx.meta.flush()
  return gathered.map(({ of, partitions }) => ({
    table: of.table,
    at: new Date(of.entry.frozenAt),
    partitions: partitions.map(({ entry }) => entry()).filter((entry) => entry !== undefined),
    reused: partitions.reduce((sum, { reused }) => sum + reused, 0),
  }))
}

/** Settles when everything of the partition is on its way; `gathered` when it is stored. */
async function copyPartition(
  partition: PartitionEntry,
  { table, partitions }: SourceTable,
  ctx: CopyTablesContext,
): Promise<{ readonly gathered: Promise<GatheredPartition> }> {
  const { source, target, parents, onDone } = ctx
  const before = parents.of(table)?.partitions.get(partition.id)
  // Of a part that was damaged at its source the identity says too little: it is passed on again.
  const isSame = before?.digest === partition.digest && before.suspect + partition.suspect === 0
  if (before && isSame && before.blocks.every(({ block }) => parents.isBlockWorthKeeping(block))) {
    const { parts, bytes } = before
    onDone({ parts, bytes, reused: bytes, current: `${displayName(table)} ${partition.id}` })
    return { gathered: Promise.resolve({ entry: () => before, reused: bytes }) }
  }
  const known = [
    ...(await parents.journaled(table, partition.id)),
    ...(before ? await readParts(target, [before]) : []),
  ].filter((part) => !part.suspect && part.segments.every(({ pack }) => parents.isWorthKeeping(pack)))
  const there = new Map(known.map((part) => [`${part.name} ${part.k}`, part]))
  const stored = storedFiles(known, ({ pack }) => parents.isWorthKeeping(pack))
  const newest = partition === partitions.at(-1)
  const storing: Promise<StoredPart>[] = []
  for (const part of await readParts(source, [partition])) {
    const { segments } = there.get(`${part.name} ${part.k}`) ?? {}
    const label = `${displayName(table)} ${part.name}`
    const placement = placementOf({ name: part.name, newest })
    if (segments && !part.suspect) storing.push(Promise.resolve({ entry: { ...part, segments }, reused: part.bytes }))
    else storing.push((await copyPart(part, { label, placement, stored }, ctx)).stored)
  }
  return { gathered: gatherPartition({ table, id: partition.id }, { same: () => [], fresh: storing }, ctx) }
}

async function copyPart(
  part: PartEntry,
  { label, placement, stored }: { readonly label: string; readonly placement: string; readonly stored: StoredFiles },
  { queue, source }: CopyTablesContext,
): Promise<{ readonly stored: Promise<StoredPart> }> {
  const plan = planPart(sourceFiles(part), stored)
  const runs = segmentsOfRuns(part.files, part.segments).filter((_, index) => plan[index]?.action === 'store')
  const sum = (action: PlannedRun['action']) =>
    plan.reduce((total, run) => total + (run.action === action ? run.bytes : 0), 0)
  const { result } = await queue.add({
    item: { label, k: part.k, files: part.files, runs },
    bytes: sum('store'),
    files: part.files.length,
    placement,
  })
  const store = async (): Promise<StoredPart> => {
    const recoded = await result
    if (recoded.outcome === 'damaged')
      throw new PermafrostError('DAMAGED', `${label} at ${source.storage.location}: ${recoded.problems[0]}`, {
        hint: [
          'permafrost verify --all',
          'a copy is whole, or is not made: copy another backup, or restore what is left',
        ],
        detail: { problems: recoded.problems },
      })
    let next = 0
    const segments = plan.flatMap((run) => (run.action === 'reuse' ? run.segments : (recoded.runs[next++] ?? [])))
    return { entry: { ...part, segments }, reused: sum('reuse') }
  }
  const storing = store()
  // Awaited by the partition, later than other work that may fail first.
  storing.catch(() => undefined)
  return { stored: storing }
}

/** A part's files with what the source knows of their inodes: a mutated part shares files with the one that it came from. */
function sourceFiles({ files, identities = [] }: PartEntry): readonly SourceFile[] {
  const known = new Map(identities.map((identity) => [identity.path, identity]))
  return files.map(([path, size]) => ({ device: 0, inode: 0, modified: '', ...known.get(path), path, size }))
}
