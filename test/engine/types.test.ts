import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { fingerprint, partList, workbench } from '../helpers/workbench.ts'
import type { TestEngine, Workbench } from '../helpers/workbench.ts'

/** Every type of the engine that a table can store, each in a column with random values. */
const RANDOM = [
  'UInt8',
  'UInt16',
  'UInt32',
  'UInt64',
  'UInt128',
  'UInt256',
  'Int8',
  'Int16',
  'Int32',
  'Int64',
  'Int128',
  'Int256',
  'Float32',
  'Float64',
  'Bool',
  'Decimal(9, 2)',
  'Decimal(18, 4)',
  'Decimal(38, 10)',
  'Decimal(76, 20)',
  'String',
  'FixedString(17)',
  'UUID',
  'IPv4',
  'IPv6',
  'Date',
  'Date32',
  'DateTime',
  "DateTime('Europe/Berlin')",
  'DateTime64(3)',
  "DateTime64(9, 'UTC')",
  "Enum8('a' = -1, 'it''s' = 2)",
  "Enum16('x' = 1000, 'y' = -1000)",
  'Array(String)',
  'Array(Array(Nullable(Int32)))',
  'Tuple(UInt8, String)',
  'Tuple(a UInt8, `b.c` String)',
  'Map(String, UInt64)',
  'Map(LowCardinality(String), Array(Int8))',
  'Nullable(String)',
  'Nullable(Float64)',
  'LowCardinality(String)',
  'LowCardinality(Nullable(String))',
  'Array(LowCardinality(String))',
  'Point',
  'Ring',
  'LineString',
  'MultiLineString',
  'Polygon',
  'MultiPolygon',
  'Nested(a UInt8, b String)',
] as const

/** Types that need values of their own. */
const SPECIAL: readonly (readonly [type: string, value: string])[] = [
  [
    'JSON',
    `concat('{"a":', toString(number), ',"b":{"c":"x', toString(number % 7), '"},"d":[1,2,', toString(number), ']}')`,
  ],
  [
    'JSON(max_dynamic_paths = 2, a UInt32)',
    `concat('{"a":', toString(number), ',"b":"y","c":1,"d', toString(number % 5), '":true}')`,
  ],
  ['Dynamic', `if(number % 2 = 0, number::Dynamic, toString(number)::Dynamic)`],
  [
    'Variant(UInt64, String, Array(UInt64))',
    `if(number % 3 = 0, number::Variant(UInt64, String, Array(UInt64)), if(number % 3 = 1, toString(number)::Variant(UInt64, String, Array(UInt64)), [number]::Variant(UInt64, String, Array(UInt64))))`,
  ],
  ['AggregateFunction(uniq, UInt64)', `arrayReduce('uniqState', [number, number % 5])`],
  ['AggregateFunction(quantiles(0.5, 0.9), Float64)', `arrayReduce('quantilesState(0.5, 0.9)', [toFloat64(number)])`],
  ['SimpleAggregateFunction(sum, UInt64)', 'number'],
  ['Time', `toTime(number)`],
  ['Time64(3)', `toTime64(number, 3)`],
]

let bench: Workbench
let source: TestEngine
let target: TestEngine

beforeAll(async () => {
  bench = await workbench()
  source = await bench.engine('source')
  target = await bench.engine('target')
  await source.run('CREATE DATABASE types')
})
afterAll(() => bench[Symbol.asyncDispose]())

async function roundTrip(name: string): Promise<void> {
  const repository = await bench.repository(`types-${name}`)
  const { summary, findings } = await bench.context(source, repository).backup({ tables: [`types.${name}`] })
  expect(findings).toEqual([])
  await bench.context(target, repository).restore(summary)
  const table = { database: 'types', name }
  const print = await fingerprint(source, table)
  expect(Number(print['rows'])).toBeGreaterThan(0)
  expect(await fingerprint(target, table)).toEqual(print)
  expect(await partList(target, table)).toEqual(await partList(source, table))
  const create = `SELECT create_table_query AS c FROM system.tables WHERE database = 'types' AND name = '${name}'`
  expect(await target.value(create)).toBe(await source.value(create))
  const checks = await target.rows(`CHECK TABLE types.${name}`)
  expect(checks.length).toBeGreaterThan(0)
  expect(checks.filter((row) => row['is_passed'] !== 1)).toEqual([])
}

describe.each([
  ['wide', 'min_bytes_for_wide_part = 0'],
  ['compact', 'min_bytes_for_wide_part = 1000000000000'],
] as const)('in %s parts', (layout, settings) => {
  it('every column type keeps its values', async () => {
    const structure = RANDOM.map((type, index) => `c${index} ${type}`).join(', ')
    await source.run(
      `CREATE TABLE types.random_${layout} (k UInt32, ${structure}) ENGINE = MergeTree ORDER BY k SETTINGS ${settings}, allow_nullable_key = 1`,
      `INSERT INTO types.random_${layout} SELECT number AS k, * FROM (SELECT rowNumberInAllBlocks() AS number, * FROM generateRandom('${structure.replaceAll("'", "\\'")}', 7, 20, 5) LIMIT 3000) SETTINGS max_threads = 1`.replace(
        'SELECT number AS k, *',
        'SELECT *',
      ),
    )
    await roundTrip(`random_${layout}`)
  })

  it('so do those that hold structures of their own', async () => {
    const columns = SPECIAL.map(([type], index) => `c${index} ${type}`).join(', ')
    await source.run(
      `CREATE TABLE types.special_${layout} (k UInt64, ${columns}) ENGINE = MergeTree ORDER BY k SETTINGS ${settings}`,
      `INSERT INTO types.special_${layout} SELECT number, ${SPECIAL.map(([, value]) => value).join(', ')} FROM numbers(2000)`,
    )
    await roundTrip(`special_${layout}`)
  })

  it('projections, skip indexes, TTL, codecs, sparse columns and column defaults come back', async () => {
    await source.run(
      `CREATE TABLE types.rich_${layout} (d Date, k UInt64, v String CODEC(ZSTD(3)), lc LowCardinality(String), n Nullable(Int32), x Float64 TTL d + INTERVAL 10 YEAR,
         sparse UInt64 CODEC(Delta, LZ4), def String DEFAULT concat('d', toString(k)), mat UInt64 MATERIALIZED k * 2, ali UInt64 ALIAS k + 1, eph UInt8 EPHEMERAL,
         INDEX i1 v TYPE bloom_filter GRANULARITY 1, INDEX i2 k TYPE minmax GRANULARITY 2, INDEX i3 lc TYPE set(10) GRANULARITY 1, INDEX i4 v TYPE text(tokenizer = 'splitByNonAlpha') GRANULARITY 1,
         INDEX i5 v TYPE tokenbf_v1(512, 3, 0) GRANULARITY 1, INDEX i6 v TYPE ngrambf_v1(3, 512, 3, 0) GRANULARITY 1,
         PROJECTION agg (SELECT lc, sum(x) GROUP BY lc), PROJECTION sorted (SELECT * ORDER BY v))
       ENGINE = MergeTree PARTITION BY toYYYYMM(d) ORDER BY (k, d) SAMPLE BY k TTL d + INTERVAL 100 YEAR SETTINGS ${settings}, ratio_of_defaults_for_sparse_serialization = 0.5, enable_block_number_column = 1, enable_block_offset_column = 1, lightweight_mutation_projection_mode = 'rebuild'`.replace(
        'SAMPLE BY k',
        '',
      ),
      `INSERT INTO types.rich_${layout} (d, k, v, lc, n, x, sparse) SELECT toDate('2026-01-05') + number % 40, number, concat(toString(number), ' word', toString(number % 100)), toString(number % 7), if(number % 5 = 0, NULL, number), number / 3, if(number % 100 = 0, number, 0) FROM numbers(20000)`,
      `ALTER TABLE types.rich_${layout} DELETE WHERE k % 1000 = 3 SETTINGS mutations_sync = 2`,
      `DELETE FROM types.rich_${layout} WHERE k % 1000 = 4 SETTINGS lightweight_mutation_projection_mode = 'rebuild'`,
      `OPTIMIZE TABLE types.rich_${layout} PARTITION 202601 FINAL`,
    )
    await roundTrip(`rich_${layout}`)
  })
})

it.each([
  ['ReplacingMergeTree(n)', 'k UInt64, n UInt32'],
  ['SummingMergeTree', 'k UInt64, n UInt32'],
  ['CollapsingMergeTree(s)', 'k UInt64, s Int8'],
  ['VersionedCollapsingMergeTree(s, n)', 'k UInt64, s Int8, n UInt32'],
  ['AggregatingMergeTree', 'k UInt64, n SimpleAggregateFunction(max, UInt32)'],
  ['CoalescingMergeTree', 'k UInt64, n Nullable(UInt32)'],
] as const)('a table of engine %s gives the same FINAL result', async (engine, columns) => {
  const name = engine.replace(/\W.*/, '').toLowerCase()
  await source.run(
    `CREATE TABLE types.${name} (${columns}) ENGINE = ${engine} ORDER BY k SETTINGS max_bytes_to_merge_at_max_space_in_pool = 1`,
    ...[1, 2, 3, 4, 5].map(
      (n) =>
        `INSERT INTO types.${name} SELECT number % 50 AS k, ${columns.includes('s Int8') ? '1' : String(n)}${columns.includes('s Int8, n') ? `, ${n}` : ''} FROM numbers(100)`,
    ),
  )
  await roundTrip(name)
  const final = `SELECT * FROM types.${name} FINAL ORDER BY ALL`
  expect(await target.rows(final)).toEqual(await source.rows(final))
})

it('an old-style table, with its dates in its part names, comes back', async () => {
  const rows = "INSERT INTO types.old SELECT toDate('2018-01-01') + number, number FROM numbers(60)"
  const { trusted } = await import('../../src/core/sql.ts')
  await source.command(trusted('CREATE TABLE types.old (d Date, k UInt64) ENGINE = MergeTree(d, k, 8192)'), {
    settings: { allow_deprecated_syntax_for_merge_tree: 1 },
  })
  await source.run(rows)
  await roundTrip('old')
})
