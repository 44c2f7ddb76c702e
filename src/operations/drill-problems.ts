import type { DrillReport } from '../repository/attestations.ts'

/** Everything that speaks against the backup, or against the drill, in one list. */
export function drillProblems({ tables, checks, problems }: DrillReport): readonly string[] {
  const failed = checks.filter((check) => check.result === 'failed')
  return [
    ...problems,
    ...tables.flatMap((table) => table.problems),
    ...failed.map(({ sql: text, message }) => `check ${text}: ${message}`),
  ]
}
