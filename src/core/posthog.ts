import { sql } from './sql.ts'
import type { Sql, TableName } from './sql.ts'

/** What losing a table would mean. */
export type TableClass = 'must keep' | 'rebuildable' | 'transient'

export interface Classified {
  readonly class: TableClass
  readonly reason: string
}

interface Rule extends Classified {
  readonly names: RegExp
}

/**
 * PostHog's tables by what their names say, the first that fits; `sharded_` in front and a version behind make no difference.
 * Nothing is listed that must be kept: a table that no rule knows, and so every new one, is kept.
 */
const RULES: readonly Rule[] = [
  {
    names: /(_staging|_tmp)$|_part_breaker(_|$)|^tmp_/,
    class: 'transient',
    reason: 'a staging table: what it holds is on its way into another',
  },
  {
    names: /^(events_recent|query_log_archive)$/,
    class: 'transient',
    reason: 'a copy of what other tables hold, kept for days',
  },
  {
    names:
      /^(app_metrics|log_entries|plugin_log_entries|ingestion_warnings|events_dead_letter_queue|performance_events)$/,
    class: 'transient',
    reason: 'diagnostics of the ingestion, which expire within weeks',
  },
  {
    names:
      /(^|_)(preaggregated|pre_aggregated)_(?!teams)|_preaggregated$|^preaggregation_results$|^web_(stats|bounces)_(hourly|daily)$/,
    class: 'rebuildable',
    reason: 'aggregated from the events again, when it is missing',
  },
  {
    names: /^precalculated_(events|person_properties)$/,
    class: 'rebuildable',
    reason: 'calculated from the events and persons again',
  },
  {
    names: /^session_replay_embeddings$/,
    class: 'rebuildable',
    reason: 'computed from the recordings again, and kept for a year at most',
  },
]

/** What class a table of PostHog is in, and why. */
export function classifyPostHog({ name }: Pick<TableName, 'name'>): Classified {
  const bare = name.replace(/^sharded_/, '').replace(/(?<=\D)_?v?\d$/, '')
  const rule = RULES.find(({ names }) => names.test(bare))
  return rule ?? { class: 'must keep', reason: 'nothing says that it could be made again' }
}

/** A question to a restored PostHog. */
export interface PostHogCheck {
  readonly title: string
  /** The first of these tables that was restored is asked. */
  readonly tables: readonly string[]
  readonly statement: (table: TableName) => Sql
  /** Rows in the answer are work that is left to do. */
  readonly pending?: string
}

const PENDING =
  'deletions that were asked for before the backup are in it, and what they deleted since is back: apply them again'

export const POSTHOG_CHECKS: readonly PostHogCheck[] = [
  {
    title: 'events per team, of the last days that have any',
    tables: ['sharded_events', 'events'],
    statement: (table) =>
      sql`SELECT team_id, toDate(timestamp) AS day, count() AS events FROM ${table} GROUP BY team_id, day ORDER BY day DESC, team_id LIMIT 10`,
  },
  {
    title: 'persons per team',
    tables: ['person'],
    statement: (table) =>
      sql`SELECT team_id, uniqExact(id) AS persons FROM ${table} GROUP BY team_id ORDER BY team_id LIMIT 10`,
  },
  {
    title: 'the newest migration: PostHog runs those after it',
    tables: ['infi_clickhouse_orm_migrations'],
    statement: (table) =>
      sql`SELECT package_name, max(module_name) AS newest, count() AS migrations FROM ${table} GROUP BY package_name ORDER BY package_name`,
  },
  {
    title: 'deletions of single events',
    tables: ['adhoc_events_deletion'],
    statement: (table) => sql`SELECT count() AS deletions FROM ${table} HAVING deletions > 0`,
    pending: PENDING,
  },
  {
    title: 'deletions of teams, persons and groups',
    tables: ['asyncdeletion'],
    statement: (table) => sql`SELECT count() AS deletions FROM ${table} HAVING deletions > 0`,
    pending: PENDING,
  },
]
