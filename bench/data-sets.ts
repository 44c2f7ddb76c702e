import { trusted } from '../src/core/sql.ts'
import type { Sql } from '../src/core/sql.ts'
import { DEMO_SCHEMA, events } from '../src/cli/demo/demo-data.ts'

/** Tables to measure with, and what a day does to them. */
export interface DataSet {
  readonly name: string
  readonly title: string
  readonly database: string
  readonly make: readonly Sql[]
  /** About a twentieth of the bytes is new afterwards, in mutated, merged and inserted parts. */
  readonly change: readonly Sql[]
}

const RAW = `CREATE TABLE posthog.raw (p UInt8, n UInt64, a String CODEC(NONE), b String CODEC(NONE), c UInt64, d Float64)
ENGINE = MergeTree PARTITION BY p ORDER BY n SETTINGS min_bytes_for_wide_part = 0`

/** Wide events as PostHog has them, and raw bytes that nothing compresses. */
function big(scale: number): DataSet {
  const raw = (p: number, rows: number) =>
    `INSERT INTO posthog.raw SELECT ${p}, number, randomString(480), randomString(480), rand64(), rand() / 3 FROM numbers(${rows})`
  const rows = Math.round(100_000 * scale)
  return {
    name: 'big',
    title: 'Large wide parts',
    database: 'posthog',
    make: [
      ...DEMO_SCHEMA.slice(0, 2),
      ...Array.from({ length: 4 }, (_, n) =>
        events({ from: n * rows, rows: Math.round(rows * 2.5), firstMonth: n, months: 1 }),
      ),
      trusted(RAW),
      ...Array.from({ length: 20 }, (_, p) => trusted(raw(p, rows))),
      trusted('OPTIMIZE TABLE posthog.sharded_events FINAL'),
      trusted('OPTIMIZE TABLE posthog.raw FINAL'),
    ],
    change: [
      trusted('ALTER TABLE posthog.raw UPDATE c = c + 1 IN PARTITION 3 WHERE 1 SETTINGS mutations_sync = 2'),
      trusted('ALTER TABLE posthog.raw UPDATE a = reverse(a) IN PARTITION 4 WHERE 1 SETTINGS mutations_sync = 2'),
      trusted(raw(7, Math.round(rows / 4))),
    ],
  }
}

/** Thousands of parts with tens of small files each. */
function small(scale: number): DataSet {
  const parts = Math.round(1000 * scale)
  const columns = Array.from({ length: 12 }, (_, n) => `c${n} UInt32`).join(', ')
  const values = Array.from({ length: 12 }, (_, n) => `rand(${n})`).join(', ')
  const insert = (from: number, to: number) =>
    trusted(
      `INSERT INTO small.t SELECT number % ${to - from} + ${from}, number, ${values} FROM numbers(${(to - from) * 20}) SETTINGS max_partitions_per_insert_block = 0, throw_on_max_partitions_per_insert_block = 0`,
    )
  return {
    name: 'small',
    title: 'Many small files',
    database: 'small',
    make: [
      trusted('CREATE DATABASE small'),
      trusted(
        `CREATE TABLE small.t (p UInt32, k UInt64, ${columns}) ENGINE = MergeTree PARTITION BY p ORDER BY k SETTINGS min_bytes_for_wide_part = 0, parts_to_throw_insert = 1000000, parts_to_delay_insert = 1000000`,
      ),
      ...Array.from({ length: Math.ceil(parts / 500) }, (_, n) => insert(n * 500, Math.min(parts, n * 500 + 500))),
    ],
    change: [insert(0, Math.round(parts / 20))],
  }
}

/** @param scale 1 makes 2 GB of large parts and a thousand small ones */
export function dataSets(scale: number): readonly DataSet[] {
  return [big(scale), small(scale * 4)]
}
