/**
 * A schema like that of PostHog, written from what is known of it: sharded tables on hard-coded paths in ZooKeeper, each with its
 * Distributed, its writable twin, its queue and the view that fills it; tables that exist once; dictionaries over tables; views.
 */

/** The replicated tables: their columns and how they are sorted; `engine` is what follows `Replicated`. */
export const SHARDED = [
  ['events', 'ReplacingMergeTree(_timestamp)', '(team_id, toDate(timestamp), event, uuid)'],
  ['ai_events', 'ReplacingMergeTree(_timestamp)', '(team_id, uuid)'],
  ['sessions', 'AggregatingMergeTree', '(team_id, uuid)'],
  ['raw_sessions', 'AggregatingMergeTree', '(team_id, uuid)'],
  ['session_replay_events', 'AggregatingMergeTree', '(team_id, uuid)'],
  ['app_metrics', 'MergeTree', '(team_id, uuid)'],
  ['app_metrics2', 'MergeTree', '(team_id, uuid)'],
  ['heatmaps', 'MergeTree', '(team_id, uuid)'],
  ['ingestion_warnings', 'MergeTree', '(team_id, uuid)'],
  ['performance_events', 'MergeTree', '(team_id, uuid)'],
  ['log_entries', 'ReplacingMergeTree(_timestamp)', '(team_id, uuid)'],
  ['error_events', 'ReplacingMergeTree(_timestamp)', '(team_id, uuid)'],
] as const

export const COLUMNS =
  '`uuid` UUID, `event` String, `team_id` Int64, `timestamp` DateTime, `person_id` UInt64, `properties` String CODEC(ZSTD(3)), `_timestamp` DateTime, `_offset` UInt64, `_partition` UInt64'

const QUEUE_COLUMNS =
  '`uuid` UUID, `event` String, `team_id` Int64, `timestamp` DateTime, `person_id` UInt64, `properties` String'

/** What stands around the sharded tables, in an order in which it can be made. `db` is where all of it lies. */
export function postHogDefinitions(db: string): readonly string[] {
  return [
    "CREATE FUNCTION posthog_is_paid AS (plan) -> (plan != 'free')",
    `CREATE TABLE ${db}.person_distinct_id_overrides (\`team_id\` Int64, \`distinct_id\` UInt64, \`person_id\` UInt64, \`version\` Int64) ENGINE = ReplacingMergeTree(version) ORDER BY (team_id, distinct_id)`,
    `CREATE TABLE ${db}.person (\`id\` UInt64, \`team_id\` Int64, \`properties\` String, \`plan\` String DEFAULT 'free', \`paid\` UInt8 MATERIALIZED posthog_is_paid(plan), \`version\` UInt64) ENGINE = ReplacingMergeTree(version) ORDER BY (team_id, id)`,
    `CREATE TABLE ${db}.exchange_rate (\`currency\` String, \`rate\` Decimal64(10), \`date\` Date) ENGINE = MergeTree ORDER BY (currency, date)`,
    `CREATE TABLE ${db}.infi_clickhouse_orm_migrations (\`package_name\` String, \`module_name\` String, \`applied\` Date) ENGINE = MergeTree PARTITION BY toYYYYMM(applied) ORDER BY (package_name, module_name)`,
    `CREATE DICTIONARY ${db}.person_overrides_dict (\`team_id\` Int64, \`distinct_id\` UInt64, \`person_id\` UInt64) PRIMARY KEY team_id, distinct_id SOURCE(CLICKHOUSE(QUERY 'SELECT team_id, distinct_id, argMax(person_id, version) AS person_id FROM ${db}.person_distinct_id_overrides GROUP BY team_id, distinct_id')) LIFETIME(MIN 0 MAX 0) LAYOUT(COMPLEX_KEY_HASHED())`,
    `CREATE DICTIONARY ${db}.exchange_rate_dict (\`currency\` String, \`rate\` Decimal64(10)) PRIMARY KEY currency SOURCE(CLICKHOUSE(TABLE 'exchange_rate' DB '${db}')) LIFETIME(MIN 3000 MAX 3600) LAYOUT(COMPLEX_KEY_HASHED())`,
    ...SHARDED.flatMap(([name]) => [
      `CREATE TABLE ${db}.${name} (${COLUMNS}) ENGINE = Distributed('posthog', '${db}', 'sharded_${name}', sipHash64(person_id))`,
      `CREATE TABLE ${db}.writable_${name} (${COLUMNS}) ENGINE = Distributed('posthog', '${db}', 'sharded_${name}', sipHash64(person_id))`,
      `CREATE TABLE ${db}.kafka_${name} (${QUEUE_COLUMNS}) ENGINE = Kafka SETTINGS kafka_broker_list = '127.0.0.1:1', kafka_topic_list = 'clickhouse_${name}', kafka_group_name = 'group1', kafka_format = 'JSONEachRow'`,
      `CREATE MATERIALIZED VIEW ${db}.${name}_mv TO ${db}.writable_${name} AS SELECT uuid, event, team_id, timestamp, person_id, properties, _timestamp, _offset, _partition FROM ${db}.kafka_${name}`,
    ]),
    `CREATE VIEW ${db}.custom_metrics AS SELECT name, toFloat64(value) AS value FROM system.events UNION ALL SELECT metric AS name, toFloat64(value) AS value FROM system.metrics`,
    `CREATE VIEW ${db}.persons_of_events AS SELECT events.team_id AS team, events.event, person.properties, dictGetOrDefault('${db}.person_overrides_dict', 'person_id', (events.team_id, events.person_id), events.person_id) AS person FROM ${db}.events LEFT JOIN ${db}.person ON person.id = events.person_id`,
    `CREATE VIEW ${db}.a_view_of_a_view AS WITH busy AS (SELECT team FROM ${db}.persons_of_events GROUP BY team) SELECT count() AS teams FROM busy WHERE team IN (SELECT team_id FROM ${db}.person)`,
    `CREATE MATERIALIZED VIEW ${db}.events_by_day (\`team_id\` Int64, \`day\` Date, \`n\` UInt64) ENGINE = SummingMergeTree ORDER BY (team_id, day) AS SELECT team_id, toDate(timestamp) AS day, count() AS n FROM ${db}.sharded_events GROUP BY team_id, day`,
  ]
}
