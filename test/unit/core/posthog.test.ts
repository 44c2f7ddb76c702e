import { describe, expect, it } from 'vitest'
import { classifyPostHog } from '../../../src/core/posthog.ts'

const classOf = (name: string): string => classifyPostHog({ name }).class

describe('the class of a PostHog table', () => {
  it.each([
    'sharded_events',
    'sharded_events_json',
    'person',
    'person_distinct_id2',
    'person_static_cohort',
    'sharded_raw_sessions_v3',
    'sharded_ai_events',
    'web_pre_aggregated_teams',
    'infi_clickhouse_orm_migrations',
    'adhoc_events_deletion',
    'asyncdeletion',
    'logs34',
  ])('is must keep: %s', (name) => expect(classOf(name)).toBe('must keep'))

  it.each([
    'sharded_app_metrics2',
    'sharded_log_entries',
    'sharded_ingestion_warnings',
    'events_dead_letter_queue',
    'events_recent',
    'sharded_events_part_breaker_1',
    'web_pre_aggregated_stats_staging',
  ])('is transient: %s', (name) => expect(classOf(name)).toBe('transient'))

  it.each([
    'sharded_preaggregation_results',
    'experiment_exposures_preaggregated',
    'web_stats_daily',
    'web_pre_aggregated_stats',
    'sharded_precalculated_events',
  ])('is rebuildable: %s', (name) => expect(classOf(name)).toBe('rebuildable'))

  it('is must keep for a table that nobody has heard of, and each class has a reason', () => {
    expect(classOf('sharded_something_new')).toBe('must keep')
    for (const name of ['sharded_something_new', 'events_recent', 'web_stats_daily'])
      expect(classifyPostHog({ name }).reason).not.toBe('')
  })
})
