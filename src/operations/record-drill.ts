import { toPermafrostError } from '../core/errors.ts'
import { attest } from '../repository/attestations.ts'
import type { Attestation, DrilledTable } from '../repository/attestations.ts'
import type { Context } from './context.ts'
import { drillProblems } from './drill-problems.ts'
import type { DrillResult } from './drill.ts'

/** Tables in the record, and problems of each: it has to stay a small one. */
const MOST_TABLES = 1000
const MOST_PROBLEMS = 20

/** Write down what came of a drill. A result that cannot be written down is still a result. */
export async function recordDrill(
  { repository, random, clock, self, version, emit }: Omit<Context, 'engine'>,
  result: DrillResult,
): Promise<void> {
  const { backup, passed, damaged, whole, seconds, tables, checks, problems, restoreSeconds, estimate } = result
  const sum = (count: (table: DrilledTable) => number) => tables.reduce((total, table) => total + count(table), 0)
  const attestation: Attestation = {
    backup,
    level: 4,
    at: clock().toISOString(),
    by: self.host,
    permafrost: version,
    result: passed ? 'ok' : damaged ? 'damaged' : 'failed',
    whole,
    parts: sum((table) => table.parts),
    bytes: sum((table) => table.bytes),
    seconds,
    problems: drillProblems(result).length,
    bad: [],
    drill: { tables: tables.slice(0, MOST_TABLES).map(shortened), checks, problems, restoreSeconds, estimate },
  }
  try {
    await attest(repository, attestation, random)
  } catch (error) {
    const message = `could not be written down: ${toPermafrostError(error).message}`
    emit({ type: 'finding', severity: 'warning', object: 'result', message })
  }
}

function shortened(table: DrilledTable): DrilledTable {
  return { ...table, problems: table.problems.slice(0, MOST_PROBLEMS).map((problem) => problem.slice(0, 500)) }
}
