import { trusted } from '../../core/sql.ts'
import type { Sql } from '../../core/sql.ts'

// PostHog-shaped tables, as a small self-hosted install has them, and rows that compress like real ones. Made with the
// engine's own functions, so that a million rows take seconds.

const PROPERTIES = [
  '$browser',
  '$os',
  '$current_url',
  '$lib',
  '$host',
  '$session_id',
  '$geoip_country_code',
  'utm_source',
  'plan',
]

const EVENTS = `CREATE TABLE posthog.sharded_events (
  uuid UUID, event LowCardinality(String), properties String CODEC(ZSTD(3)), timestamp DateTime64(6, 'UTC'), team_id Int64,
  distinct_id String, elements_chain String, created_at DateTime64(6, 'UTC'), person_id UUID, person_created_at DateTime64(3),
  person_properties String CODEC(ZSTD(3)), ${[0, 1, 2, 3, 4].map((n) => `group${n}_properties String CODEC(ZSTD(3)), group${n}_created_at DateTime64(3)`).join(', ')},
  person_mode Enum8('full' = 0, 'propertyless' = 1, 'force_upgrade' = 2), historical_migration Bool, _timestamp DateTime, _offset UInt64,
  inserted_at Nullable(DateTime64(6, 'UTC')), consumer_breadcrumbs Array(String),
  ${PROPERTIES.map((name) => `\`mat_${name}\` String MATERIALIZED JSONExtractString(properties, '${name}')`).join(', ')},
  INDEX minmax_offset _offset TYPE minmax GRANULARITY 1, INDEX bloom_session \`mat_$session_id\` TYPE bloom_filter GRANULARITY 1
) ENGINE = ReplacingMergeTree(_timestamp) PARTITION BY toYYYYMM(timestamp)
ORDER BY (team_id, toDate(timestamp), event, cityHash64(distinct_id), cityHash64(uuid))`

const OTHERS = [
  `CREATE TABLE posthog.person (id UUID, team_id Int64, properties String CODEC(ZSTD(3)), is_identified Int8, is_deleted Int8, created_at DateTime64(3), version UInt64, _timestamp DateTime, _offset UInt64)
   ENGINE = ReplacingMergeTree(version) ORDER BY (team_id, id)`,
  `CREATE TABLE posthog.person_distinct_id2 (team_id Int64, distinct_id String, person_id UUID, is_deleted Int8, version Int64, _timestamp DateTime, _offset UInt64)
   ENGINE = ReplacingMergeTree(version) ORDER BY (team_id, distinct_id)`,
  `CREATE TABLE posthog.cohortpeople (person_id UUID, cohort_id Int64, team_id Int64, sign Int8, version UInt64)
   ENGINE = CollapsingMergeTree(sign) ORDER BY (team_id, cohort_id, person_id, version)`,
  `CREATE TABLE posthog.groups (group_type_index UInt8, group_key String, created_at DateTime64(3), team_id Int64, group_properties String, _timestamp DateTime, _offset UInt64)
   ENGINE = ReplacingMergeTree(_timestamp) ORDER BY (team_id, group_type_index, group_key)`,
  `CREATE TABLE posthog.sharded_session_replay_events (session_id String, team_id Int64, distinct_id SimpleAggregateFunction(any, String), min_first_timestamp SimpleAggregateFunction(min, DateTime64(6, 'UTC')), max_last_timestamp SimpleAggregateFunction(max, DateTime64(6, 'UTC')),
   first_url AggregateFunction(argMin, Nullable(String), DateTime64(6, 'UTC')), click_count SimpleAggregateFunction(sum, Int64), keypress_count SimpleAggregateFunction(sum, Int64), size SimpleAggregateFunction(sum, Int64))
   ENGINE = AggregatingMergeTree PARTITION BY toYYYYMM(min_first_timestamp) ORDER BY (toDate(min_first_timestamp), team_id, session_id)`,
]

/** The database and its tables, empty. */
export const DEMO_SCHEMA: readonly Sql[] = ['CREATE DATABASE posthog', EVENTS, ...OTHERS].map((text) => trusted(text))

/** Events of `months` months from January 2026 on. */
export function events({
  from,
  rows,
  firstMonth,
  months,
}: {
  readonly from: number
  readonly rows: number
  readonly firstMonth: number
  readonly months: number
}): Sql {
  return trusted(`INSERT INTO posthog.sharded_events (uuid, event, properties, timestamp, team_id, distinct_id, elements_chain, created_at, person_id, person_properties, group0_properties, person_mode, _timestamp, _offset, consumer_breadcrumbs)
SELECT generateUUIDv4(), ['$pageview', '$autocapture', '$pageleave', '$identify', '$feature_flag_called', 'purchase', 'signup', '$web_vitals'][1 + rand(1) % 8] AS event,
  concat('{"$browser":"', ['Chrome', 'Firefox', 'Safari', 'Edge'][1 + rand(2) % 4], '","$os":"', ['Mac OS X', 'Windows', 'Linux', 'iOS', 'Android'][1 + rand(3) % 5],
    '","$current_url":"https://app.example.com/p/', toString(rand(4) % 5000), '?q=', hex(rand64(5)), '","$host":"app.example.com","$lib":"web","$session_id":"', toString(generateUUIDv4(7)),
    '","$geoip_country_code":"', ['US', 'DE', 'CN', 'GB', 'FR'][1 + rand(11) % 5], '","utm_source":"', ['google', '', 'bing', 'x'][1 + rand(14) % 4], '","plan":"pro","token":"', hex(randomString(24)), '"}'),
  addMonths(toDateTime64('2026-01-01 00:00:00', 6, 'UTC'), ${firstMonth} + rand(15) % ${months}) + toIntervalSecond(rand(16) % 2400000) AS timestamp,
  1 + rand(17) % 20, concat('user_', toString(rand(18) % 200000)) AS distinct_id,
  if(event = '$autocapture', 'button:text="Save"nth-child="1"href="/x/y";div:nth-child="2"', ''), timestamp,
  reinterpretAsUUID(sipHash128(distinct_id)), concat('{"email":"', distinct_id, '@example.com","plan":"pro"}'), '{"name":"Org","seats":10}', ['full', 'propertyless'][1 + rand(19) % 2],
  toDateTime('2026-10-01 00:00:00', 'UTC'), number, ['kafka-0', 'kafka-1']
FROM numbers(${from}, ${rows})`)
}

/** Rows for the tables beside events. */
export function people(rows: number): readonly Sql[] {
  const moment = `toDateTime('2026-10-01 00:00:00', 'UTC')`
  return [
    `INSERT INTO posthog.person SELECT reinterpretAsUUID(sipHash128(concat('user_', toString(number)))), 1 + number % 20, concat('{"email":"user_', toString(number), '@example.com","name":"', hex(cityHash64(number)), '"}'), 1, 0, ${moment}, number % 3, ${moment}, number FROM numbers(${rows})`,
    `INSERT INTO posthog.person_distinct_id2 SELECT 1 + number % 20, concat('user_', toString(number)), reinterpretAsUUID(sipHash128(concat('user_', toString(number % ${rows})))), 0, 1, ${moment}, number FROM numbers(${rows * 2})`,
    `INSERT INTO posthog.cohortpeople SELECT reinterpretAsUUID(sipHash128(concat('user_', toString(number % ${rows})))), number % 40, 1 + number % 20, 1, 1 FROM numbers(${rows * 2})`,
    `INSERT INTO posthog.groups SELECT number % 5, concat('org_', toString(number)), ${moment}, 1 + number % 20, '{"name":"Org"}', ${moment}, number FROM numbers(${Math.ceil(rows / 10)})`,
    `INSERT INTO posthog.sharded_session_replay_events SELECT toString(generateUUIDv4()) AS session_id, 1 + number % 20 AS team_id, concat('user_', toString(number % ${rows})) AS distinct_id,
       addMonths(toDateTime64('2026-01-01 00:00:00', 6, 'UTC'), rand(1) % 6) + toIntervalSecond(rand(2) % 2400000) AS first, first + toIntervalSecond(rand(3) % 3600),
       argMinState(toNullable(concat('https://app.example.com/p/', toString(rand(4) % 5000))), first), rand(5) % 100, rand(6) % 100, rand(7) % 1000000
     FROM numbers(${rows}) GROUP BY number, session_id, team_id, distinct_id, first`,
  ].map((text) => trusted(text))
}

/** A day's changes: new rows, a mutation of one column, a dropped month, a new table. */
export function changes(): readonly (readonly [what: string, statement: Sql])[] {
  return [
    ['20,000 new events', events({ from: 2_000_000, rows: 20_000, firstMonth: 5, months: 1 })],
    [
      'one column of one month rewritten',
      trusted(
        `ALTER TABLE posthog.sharded_events UPDATE person_mode = 'force_upgrade' IN PARTITION 202603 WHERE team_id = 7 SETTINGS mutations_sync = 2`,
      ),
    ],
    ['the oldest month dropped', trusted(`ALTER TABLE posthog.sharded_events DROP PARTITION 202601`)],
    [
      'a new table',
      trusted(
        `CREATE TABLE posthog.person_static_cohort ENGINE = MergeTree ORDER BY (team_id, cohort_id, person_id) AS SELECT generateUUIDv4() AS id, person_id, cohort_id, team_id FROM posthog.cohortpeople WHERE cohort_id < 4`,
      ),
    ],
  ]
}
