import { collectFindings } from '../core/events.ts'
import type { Finding } from '../core/events.ts'
import pLimit from 'p-limit'
import { toPermafrostError } from '../core/errors.ts'
import { inBatches } from '../core/in-batches.ts'
import { layout } from '../core/layout.ts'
import type { PartEntry, TableEntry } from '../core/manifest.ts'
import { selectsEverything, selects } from '../core/selector.ts'
import type { Selector } from '../core/selector.ts'
import { displayName } from '../core/sql.ts'
import { plural } from '../core/units.ts'
import { readPartsByPartition } from '../repository/backups.ts'
import { attest } from '../repository/attestations.ts'
import type { Attestation } from '../repository/attestations.ts'
import { sessionKeyProblem } from '../repository/session.ts'
import type { ScrubResult } from '../repository/scrub-packs.ts'
import { listPacks } from '../repository/list-packs.ts'
import { poolOf } from './context.ts'
import type { Context } from './context.ts'
import { loadAll } from './load-queue.ts'
import { progressMeter } from './progress.ts'
import { partsInPack, reachOfBackups } from './reach.ts'
import type { Reach, ReachedPartition } from './reach.ts'

/**
 * `inventory`: records and blocks read, every pack is there with its size · `scrub`: and its bytes are what its name says ·
 * `content`: and the files in it, opened and rebuilt, are what ClickHouse wrote.
 */
export type VerifyLevel = 'inventory' | 'scrub' | 'content'
export const VERIFY_LEVELS: readonly VerifyLevel[] = ['inventory', 'scrub', 'content']

export interface VerifyOptions {
  /** Ids. */
  readonly backups: readonly string[]
  readonly level: VerifyLevel
  readonly selector: Selector
  /** Share of the partitions, chosen at random, 0 to 1. */
  readonly sample?: number | undefined
  /** Write the result into the repository; only what is written down can be shown and relied on. */
  readonly record?: boolean | undefined
}

export interface VerifyResult {
  readonly level: VerifyLevel
  readonly backups: readonly string[]
  readonly packs: number
  readonly parts: number
  /** Bytes of parts that were checked. */
  readonly bytes: number
  readonly findings: readonly Finding[]
}

type VerifyContext = Pick<Context, 'repository' | 'disk' | 'emit' | 'signal' | 'limits' | 'clock' | 'random'>

/** Says that something is wrong, and whose backups it concerns. */
type Blame = (backups: Iterable<string>, object: string, message: string) => void

/** Packs in an attestation; it has to stay a small record. */
const MOST_BAD = 2000

interface Verification extends VerifyContext {
  readonly reach: Reach
  readonly blame: Blame
  /** Keys of packs that are missing or wrong. */
  readonly bad: Set<string>
}

/**
 * Check backups against what is stored. Every problem is a finding with severity `damage` that names the table, the part and,
 * where the content was opened, the file. What came of it is written down for each backup.
 *
 * @throws DAMAGED when a record does not read, so that not even the names of what is damaged are known
 */
export async function verify(
  outer: VerifyContext & Pick<Context, 'self' | 'version'>,
  options: VerifyOptions,
): Promise<VerifyResult> {
  const { backups, level, selector, sample = 1, record = true } = options
  const { emit, findings } = collectFindings(outer.emit)
  const started = outer.clock()
  const problems = new Map<string, number>()
  const blame: Blame = (concerned, object, message) => {
    for (const id of concerned) problems.set(id, (problems.get(id) ?? 0) + 1)
    emit({ type: 'finding', severity: 'damage', object, message })
  }
  emit({ type: 'phase', phase: 'verify', message: `verifying ${plural(backups.length, 'backup')}, level ${level}` })
  const whole = await reachOfBackups(outer.repository, backups, (table) => selects(selector, table))
  const reach = sample < 1 ? sampleOf(whole, sample, outer.random) : whole
  const bad = new Set<string>()
  const ctx = { ...outer, emit, reach, blame, bad }
  const total = totalOf(reach.partitions)
  const missing = await takeInventory(ctx, level)
  if (level === 'scrub') await scrub(ctx, missing)
  if (level === 'content') await openContent(ctx, total)
  if (record) {
    const all = selectsEverything(selector) && reach === whole
    const seconds = (outer.clock().getTime() - started.getTime()) / 1000
    await recordResults(ctx, { backups, level, all, seconds, problems })
  }
  return { level, backups, packs: reach.packs.size, ...total, findings }
}

function totalOf(partitions: readonly ReachedPartition[]): { readonly parts: number; readonly bytes: number } {
  const sum = (count: (one: ReachedPartition) => number) => partitions.reduce((total, one) => total + count(one), 0)
  return { parts: sum(({ partition }) => partition.parts), bytes: sum(({ partition }) => partition.bytes) }
}

/** Partitions at random, one at least, and the packs that they need. */
function sampleOf(reach: Reach, share: number, random: Context['random']): Reach {
  const draws = new DataView(Uint8Array.from(random(4 * reach.partitions.length)).buffer)
  const drawn = reach.partitions.filter((_, index) => draws.getUint32(4 * index) < share * 2 ** 32)
  const partitions = drawn.length > 0 ? drawn : reach.partitions.slice(0, 1)
  const chosen = new Set(partitions)
  const packs = [...reach.packs].filter(([, pack]) => pack.partitions.some((partition) => chosen.has(partition)))
  return { ...reach, partitions, packs: new Map(packs) }
}

/** Every pack is there, and as long as it was. */
async function takeInventory(
  { repository, reach, blame, bad }: Verification,
  level: VerifyLevel,
): Promise<ReadonlySet<string>> {
  const there = await listPacks(repository)
  const missing = new Set<string>()
  for (const [id, { bytes }] of reach.packs) {
    const size = there.get(layout.packs.key(id))?.size
    if (size === bytes) continue
    missing.add(id)
    bad.add(layout.packs.key(id))
    // With the content open, each file that is lost with the pack will be named.
    if (level !== 'content')
      await blamePack({ repository, reach, blame }, id, size === undefined ? 'missing' : 'cut short')
  }
  for (const [id, backups] of reach.metas) {
    if (there.has(layout.meta.key(id))) continue
    missing.add(id)
    bad.add(layout.meta.key(id))
    blame(backups, layout.meta.key(id), 'meta pack is missing')
  }
  await checkKeys({ repository, reach, blame })
  return missing
}

/** Without the key of its session a pack is noise, however whole it is. */
async function checkKeys({
  repository,
  reach,
  blame,
}: Pick<Verification, 'repository' | 'reach' | 'blame'>): Promise<void> {
  const limit = pLimit(repository.storage.traits.connections)
  const check = async (session: string, backups: Iterable<string>): Promise<void> => {
    const problem = await sessionKeyProblem(repository, session)
    if (problem !== undefined) blame(backups, layout.keys.session(session), `key of a session ${problem}`)
  }
  await Promise.all([...reach.sessions].map(([session, backups]) => limit(() => check(session, backups))))
}

async function scrub(ctx: Verification, missing: ReadonlySet<string>): Promise<void> {
  const { repository, signal, reach, blame, bad } = ctx
  const there = await listPacks(repository)
  const data = [...reach.packs].map(([id, { bytes }]) => ({ id, bytes, kind: 'data' as const }))
  const metas = [...reach.metas.keys()].map((id) => ({
    id,
    bytes: there.get(layout.meta.key(id))?.size ?? 0,
    kind: 'meta' as const,
  }))
  const packs = [...data, ...metas].filter(({ id }) => !missing.has(id))
  const meter = progressMeter(ctx, {
    phase: 'verify',
    total: { parts: packs.length, bytes: packs.reduce((sum, pack) => sum + pack.bytes, 0) },
  })
  await using pool = poolOf(ctx)
  const todo = packs.values()
  const runner = async (): Promise<void> => {
    for (const pack of todo) {
      signal.throwIfAborted()
      const [result = 'missing'] = await pool.scrub({ packs: [pack] })
      meter.done({ parts: 1, bytes: pack.bytes, reused: 0, current: `pack ${pack.id.slice(0, 12)}` })
      if (result === 'right') continue
      bad.add((pack.kind === 'data' ? layout.packs : layout.meta).key(pack.id))
      if (pack.kind === 'data') await blamePack({ repository, reach, blame }, pack.id, result)
      else blame(reach.metas.get(pack.id) ?? [], layout.meta.key(pack.id), `meta pack is ${result}`)
    }
  }
  await Promise.all(Array.from({ length: pool.size }, runner))
}

/** Partitions are opened together up to so many parts: many small ones come by few requests, and keep the workers busy. */
const PARTS_TOGETHER = 500
const BATCHES_AT_ONCE = 4

async function openContent(
  ctx: Verification,
  total: { readonly parts: number; readonly bytes: number },
): Promise<void> {
  const { repository, signal, reach, blame, bad } = ctx
  const meter = progressMeter(ctx, { phase: 'verify', total })
  await using pool = poolOf(ctx)
  pool.onBytes((bytes) => meter.moved(bytes))
  const limit = pLimit(BATCHES_AT_ONCE)
  const open = async (batch: readonly ReachedPartition[]): Promise<void> => {
    signal.throwIfAborted()
    const parts = await readPartsByPartition(
      repository,
      batch.map(({ partition }) => partition),
    )
    const requests = batch.flatMap((of, index) => (parts[index] ?? []).map((part) => ({ part, of })))
    await loadAll(requests, { repository, pool, signal }, ({ part, of: { table, backups } }, result) => {
      const object = nameOf(table, part)
      meter.done({ parts: 1, bytes: part.bytes, reused: 0, current: object })
      const known = result.authentic && part.suspect ? ': it was damaged before the backup' : ''
      for (const message of result.problems) blame(backups, object, `${message}${known}`)
      if (!result.authentic) for (const { pack } of part.segments) bad.add(layout.packs.key(pack.id))
    })
  }
  const batches = inBatches(reach.partitions, { weightOf: ({ partition }) => partition.parts, most: PARTS_TOGETHER })
  await Promise.all(batches.map((batch) => limit(() => open(batch))))
}

/** A bad pack, by the parts that are lost with it. */
async function blamePack(
  { repository, reach, blame }: Pick<Verification, 'repository' | 'reach' | 'blame'>,
  id: string,
  what: Exclude<ScrubResult, 'right'>,
): Promise<void> {
  const affected = await partsInPack(repository, reach.packs.get(id)?.partitions ?? [], id)
  for (const { of, part } of affected) blame(of.backups, nameOf(of.table, part), `${layout.packs.key(id)} is ${what}`)
}

function nameOf(table: TableEntry, part: PartEntry): string {
  return `${displayName(table)} ${part.name}`
}

interface Results {
  readonly backups: readonly string[]
  readonly level: VerifyLevel
  /** Whether no table and no partition was left out. */
  readonly all: boolean
  readonly seconds: number
  readonly problems: ReadonlyMap<string, number>
}

const LEVELS = { inventory: 1, scrub: 2, content: 3 } as const

/** A result that cannot be written down is still a result. */
async function recordResults(
  { repository, reach, emit, clock, random, self, version, bad }: Verification & Pick<Context, 'self' | 'version'>,
  { backups, level, all, seconds, problems }: Results,
): Promise<void> {
  try {
    for (const backup of backups) {
      const found = problems.get(backup) ?? 0
      const attestation: Attestation = {
        backup,
        level: LEVELS[level],
        at: clock().toISOString(),
        by: self.host,
        permafrost: version,
        result: found > 0 ? 'damaged' : 'ok',
        whole: all,
        ...totalOf(reach.partitions.filter((partition) => partition.backups.has(backup))),
        seconds,
        problems: found,
        bad: found > 0 ? [...bad].slice(0, MOST_BAD) : [],
      }
      await attest(repository, attestation, random)
    }
  } catch (error) {
    const message = `could not be written down: ${toPermafrostError(error).message}`
    emit({ type: 'finding', severity: 'note', object: 'result', message })
  }
}
