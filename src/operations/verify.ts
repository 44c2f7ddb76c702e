import { collectFindings } from '../core/events.ts'
import type { Finding } from '../core/events.ts'
import { layout, packIdOf } from '../core/layout.ts'
import type { PartEntry, TableEntry } from '../core/manifest.ts'
import { selects } from '../core/selector.ts'
import type { Selector } from '../core/selector.ts'
import { displayName } from '../core/sql.ts'
import { plural } from '../core/units.ts'
import { readParts } from '../repository/backups.ts'
import type { ScrubResult } from '../repository/scrub-packs.ts'
import { poolOf } from './context.ts'
import type { Context } from './context.ts'
import { loadAll } from './load-queue.ts'
import { progressMeter } from './progress.ts'
import { partsInPack, reachOfBackups } from './reach.ts'
import type { Reach } from './reach.ts'

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

type VerifyContext = Pick<Context, 'repository' | 'disk' | 'emit' | 'signal' | 'limits' | 'clock'>

/**
 * Check backups against what is stored. Every problem is a finding with severity `damage` that names the table, the part and,
 * where the content was opened, the file.
 *
 * @throws DAMAGED when a record does not read, so that not even the names of what is damaged are known
 */
export async function verify(outer: VerifyContext, { backups, level, selector }: VerifyOptions): Promise<VerifyResult> {
  const { emit, findings } = collectFindings(outer.emit)
  const ctx = { ...outer, emit }
  emit({ type: 'phase', phase: 'verify', message: `verifying ${plural(backups.length, 'backup')}, level ${level}` })
  const reach = await reachOfBackups(ctx.repository, backups, (table) => selects(selector, table))
  const missing = await takeInventory(ctx, reach, level)
  const sum = (count: (one: Reach['partitions'][number]) => number) =>
    reach.partitions.reduce((total, one) => total + count(one), 0)
  const total = { parts: sum(({ partition }) => partition.parts), bytes: sum(({ partition }) => partition.bytes) }
  if (level === 'scrub') await scrub(ctx, reach, missing)
  if (level === 'content') await openContent(ctx, reach, total)
  return { level, backups, packs: reach.packs.size, ...total, findings }
}

/** Every pack is there, and as long as it was. */
async function takeInventory(
  { repository, emit }: VerifyContext,
  reach: Reach,
  level: VerifyLevel,
): Promise<ReadonlySet<string>> {
  const sizes = new Map<string, number>()
  for (const prefix of [layout.packs.prefix, layout.meta.prefix]) {
    for await (const { key, size } of repository.storage.list(prefix)) {
      const id = packIdOf(key)
      if (id) sizes.set(id, size)
    }
  }
  const bad = new Set<string>()
  for (const [id, { bytes }] of reach.packs) {
    const size = sizes.get(id)
    if (size === bytes) continue
    bad.add(id)
    // With the content open, each file that is lost with the pack will be named.
    if (level !== 'content')
      await reportPack({ repository, emit, reach }, id, size === undefined ? 'missing' : 'cut short')
  }
  for (const id of reach.metas) {
    if (sizes.has(id)) continue
    bad.add(id)
    emit({ type: 'finding', severity: 'damage', object: layout.meta.key(id), message: 'meta pack is missing' })
  }
  return bad
}

async function scrub(ctx: VerifyContext, reach: Reach, missing: ReadonlySet<string>): Promise<void> {
  const { repository, emit, signal } = ctx
  const data = [...reach.packs].map(([id, { bytes }]) => ({ id, bytes, kind: 'data' as const }))
  const metas = await Promise.all(
    [...reach.metas].map(async (id) => ({
      id,
      bytes: (await repository.storage.head(layout.meta.key(id)))?.size ?? 0,
      kind: 'meta' as const,
    })),
  )
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
      if (pack.kind === 'data') await reportPack({ repository, emit, reach }, pack.id, result)
      else
        emit({
          type: 'finding',
          severity: 'damage',
          object: layout.meta.key(pack.id),
          message: `meta pack is ${result}`,
        })
    }
  }
  await Promise.all(Array.from({ length: pool.size }, runner))
}

async function openContent(
  ctx: VerifyContext,
  reach: Reach,
  total: { readonly parts: number; readonly bytes: number },
): Promise<void> {
  const { repository, emit, signal } = ctx
  const meter = progressMeter(ctx, { phase: 'verify', total })
  await using pool = poolOf(ctx, (bytes) => meter.moved(bytes))
  for (const { table, partition } of reach.partitions) {
    signal.throwIfAborted()
    const parts = await readParts(repository, partition)
    await loadAll(
      parts.map((part) => ({ part })),
      { repository, pool, signal },
      ({ part }, result) => {
        const object = nameOf(table, part)
        meter.done({ parts: 1, bytes: part.bytes, reused: 0, current: object })
        const known = result.authentic && part.suspect ? ': it was damaged before the backup' : ''
        for (const message of result.problems)
          emit({ type: 'finding', severity: 'damage', object, message: `${message}${known}` })
      },
    )
  }
}

/** A bad pack, by the parts that are lost with it. */
async function reportPack(
  { repository, emit, reach }: Pick<VerifyContext, 'repository' | 'emit'> & { readonly reach: Reach },
  id: string,
  what: Exclude<ScrubResult, 'right'>,
): Promise<void> {
  const affected = await partsInPack(repository, reach.packs.get(id)?.partitions ?? [], id)
  for (const { table, part } of affected) {
    emit({
      type: 'finding',
      severity: 'damage',
      object: nameOf(table, part),
      message: `${layout.packs.key(id)} is ${what}`,
    })
  }
}

function nameOf(table: TableEntry, part: PartEntry): string {
  return `${displayName(table)} ${part.name}`
}
