import { plainEngine } from '../core/engine-edits.ts'
import { hasCode } from '../core/errors.ts'
import { collectFindings } from '../core/events.ts'
import type { Finding } from '../core/events.ts'
import type { PartEntry } from '../core/manifest.ts'
import type { RestoreStep } from '../core/restore-plan.ts'
import { displayName, sql } from '../core/sql.ts'
import type { Sql, TableName } from '../core/sql.ts'
import { isMergeTree } from '../engine/catalog.ts'
import { CLICKHOUSE, isClickHouse } from '../engine/clickhouse-error.ts'
import type { DrilledTable } from '../repository/attestations.ts'
import { localDefinition } from './mount-table.ts'
import type { RestoreContext } from './restore-context.ts'
import type { ChosenTable } from './restore-source.ts'
import { restoreTable } from './restore-table.ts'
import { sourceParts } from './source-parts.ts'

/**
 * In an engine that is thrown away nothing may change by itself: no merge, and each bad part reported, however many there are.
 */
const KEEP = [sql`max_bytes_to_merge_at_max_space_in_pool = 1`, sql`max_suspicious_broken_parts = 1000000`]

/**
 * Restore a table as `restore` does, and then let ClickHouse itself look at it: every part is there, with its rows and its hash;
 * CHECK TABLE reads every part; and a query reads every row.
 *
 * @throws what stops the restore: the definition is refused, the disk is full, the engine is gone
 */
export async function drillTable(
  { wanted, key }: { readonly wanted: ChosenTable; readonly key: string },
  ctx: RestoreContext,
): Promise<DrilledTable> {
  const { clock } = ctx
  const { entry } = wanted
  const { emit, findings } = collectFindings(ctx.emit)
  const begun = clock().getTime()
  const parts = await sourceParts(wanted)
  // What parts wait for would change them: they are compared as they are.
  const one = { step: stepOf(wanted, parts), source: entry, parts, mutations: [], key }
  const restored = await restoreTable(one, { ...ctx, emit })
  const ready = clock().getTime()
  const bad = findings.filter(isProblem).map(({ object, message }) => `${object}: ${message}`)
  const broken = isMergeTree(entry) ? await checkParts(entry, ctx) : []
  const { hash, problem } = await hashRows(wanted, ctx)
  return {
    table: displayName(entry),
    parts: restored.parts,
    rows: restored.rows,
    bytes: restored.bytes,
    restoreSeconds: (ready - begun) / 1000,
    checkSeconds: (clock().getTime() - ready) / 1000,
    ...(hash !== undefined && { hash }),
    whole: !wanted.some,
    problems: [...bad, ...broken, ...(problem === undefined ? [] : [problem])],
  }
}

function isProblem({ severity }: Finding): boolean {
  return severity === 'damage' || severity === 'incomplete'
}

function stepOf({ entry, schema, partitions }: ChosenTable, parts: readonly PartEntry[]): RestoreStep {
  const sum = (count: (part: PartEntry) => number) => parts.reduce((total, part) => total + count(part), 0)
  const name = { database: entry.database, name: entry.name }
  return {
    action: parts.length > 0 ? 'create' : 'create-empty',
    source: name,
    target: name,
    engine: plainEngine(entry.engine),
    create: isMergeTree(entry) ? localDefinition({ entry, schema }, KEEP) : schema.create,
    partitions: partitions.map(({ id }) => id),
    parts: parts.length,
    rows: sum((part) => part.rows),
    bytes: sum((part) => part.bytes),
  }
}

/** ClickHouse reads every file of every part and compares it with its checksums. */
async function checkParts(table: TableName, { engine, signal }: RestoreContext): Promise<readonly string[]> {
  const rows = await engine.query(sql`CHECK TABLE ${{ database: table.database, name: table.name }}`, {
    signal,
    timeout: FOREVER,
    settings: { check_query_single_value_result: 0 },
  })
  return rows
    .filter((row) => !Number(row['is_passed']))
    .map(
      (row) =>
        `${displayName(table)} ${String(row['part_path'])}: CHECK TABLE fails: ${String(row['message']).slice(0, 300)}`,
    )
}

const FOREVER = 24 * 3600 * 1000

/**
 * A hash of all rows, in no order: the same in every drill of the same data. Where a type cannot be hashed, every row is read all
 * the same. There may be fewer rows than parts hold, for some are marked as deleted, and never more.
 */
async function hashRows(
  { entry, partitions }: ChosenTable,
  { engine, signal }: RestoreContext,
): Promise<{ readonly hash?: string; readonly problem?: string }> {
  const name = { database: entry.database, name: entry.name }
  const ask = (what: Sql) =>
    engine.query(sql`SELECT count() AS counted, ${what} AS hash FROM ${name}`, { signal, timeout: FOREVER })
  try {
    const [row] = await ask(sql`hex(sum(cityHash64(*)))`).catch((error: unknown) => {
      if (!isClickHouse(error, ...NOT_HASHED)) throw error
      return ask(sql`toString(countIf(NOT ignore(*)))`)
    })
    const most = partitions.reduce((sum, { rows }) => sum + rows, 0)
    const counted = Number(row?.['counted'])
    if (counted <= most) return { hash: String(row?.['hash']) }
    return { problem: `${displayName(entry)}: a query finds ${counted} rows, and the backup has ${most}` }
  } catch (error) {
    if (!hasCode(error, 'ENGINE_REFUSED')) throw error
    return { problem: `${displayName(entry)}: its rows cannot be read: ${error.message}` }
  }
}

const NOT_HASHED = [CLICKHOUSE.ILLEGAL_TYPE_OF_ARGUMENT, CLICKHOUSE.ILLEGAL_COLUMN, CLICKHOUSE.NOT_IMPLEMENTED]
