import { encodeParts } from '../core/manifest-codec.ts'
import type { PartEntry, PartitionEntry } from '../core/manifest.ts'
import { compareParts } from '../core/part-name.ts'
import { displayName } from '../core/sql.ts'
import type { TableName } from '../core/sql.ts'
import type { Journal } from '../repository/journal.ts'
import type { MetaWriter, PendingBlock } from '../repository/meta-writer.ts'
import { partitionDigest } from '../repository/part-identity.ts'
import type { Done } from './progress.ts'
import type { StoredPart } from './store-part.ts'

/** A partition whose blocks are with the meta writer; the entry needs their pointers, so it is made after the flush. */
export interface GatheredPartition {
  readonly entry: () => PartitionEntry | undefined
  readonly reused: number
}

/** At most this many parts in a block: an unchanged partition is the same block in the next backup. */
const PARTS_IN_BLOCK = 2000

export interface GatherContext {
  readonly meta: MetaWriter
  readonly journal: Journal
  readonly onDone: (done: Done) => void
  /** One after another: a job that ends lets hundreds of partitions go on, and each decodes all of its parts. */
  readonly inTurn: <T>(work: () => Promise<T>) => Promise<T>
}

/**
 * A partition as it is in the repository now: waits for its parts, writes them down in the journal, and adds their blocks.
 * What it returns is kept until the last partition is stored, and holds none of the parts.
 */
export async function gatherPartition(
  partition: PartitionOfTable,
  gathering: PartsToGather,
  ctx: GatherContext,
): Promise<GatheredPartition> {
  const { totals, blocks, reused } = await writeDown(partition, gathering, ctx)
  const entry = () => ({
    ...totals,
    blocks: blocks.map(({ pending, parts }) => ({ block: pending.pointer(), parts })),
  })
  return { entry: () => (totals.parts === 0 ? undefined : entry()), reused }
}

/** The parts of a partition: those that are in the repository already, and those that are on their way. */
export interface PartsToGather {
  readonly same: () => readonly PartEntry[]
  readonly fresh: readonly Promise<StoredPart | undefined>[]
}

/** Which partition. */
interface PartitionOfTable {
  readonly table: TableName
  readonly id: string
}

async function writeDown(
  { table, id }: PartitionOfTable,
  { same, fresh }: PartsToGather,
  { meta, journal, onDone, inTurn }: GatherContext,
) {
  const done = fresh.map(async (part) => {
    const stored = await part
    if (!stored) return undefined
    const { entry, reused } = stored
    onDone({ parts: 1, bytes: entry.bytes, reused, current: `${displayName(table)} ${entry.name}` })
    if (reused < entry.bytes && !entry.suspect) await journal.add(table, entry)
    return stored
  })
  const added = (await Promise.all(done)).filter((part) => part !== undefined)
  return inTurn(() => addBlocks(id, { kept: same(), added }, meta))
}

async function addBlocks(
  id: string,
  { kept, added }: { readonly kept: readonly PartEntry[]; readonly added: readonly StoredPart[] },
  meta: MetaWriter,
) {
  const entries = [...kept, ...added.map(({ entry }) => entry)].sort((a, b) => compareParts(a.name, b.name))
  const blocks: { readonly pending: PendingBlock; readonly parts: number }[] = []
  for (let at = 0; at < entries.length; at += PARTS_IN_BLOCK) {
    const chunk = entries.slice(at, at + PARTS_IN_BLOCK)
    const { head, body } = encodeParts(chunk)
    blocks.push({ pending: await meta.add(head, body), parts: chunk.length })
  }
  const sum = (count: (entry: PartEntry) => number) => entries.reduce((total, entry) => total + count(entry), 0)
  const totals = {
    id,
    rows: sum((part) => part.rows),
    bytes: sum((part) => part.bytes),
    parts: entries.length,
    suspect: sum((part) => (part.suspect ? 1 : 0)),
    digest: partitionDigest(entries),
  }
  const reused = added.reduce((total, part) => total + part.reused, 0)
  return { totals, blocks, reused: reused + kept.reduce((total, part) => total + part.bytes, 0) }
}
