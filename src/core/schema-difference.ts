import type { TableSchema } from './manifest.ts'

interface Defined {
  readonly schema: TableSchema
  readonly engine: string
}

/**
 * The first difference that makes parts of one table wrong in the other; ATTACH checks none of these. A column that came
 * after the backup is none: ClickHouse reads its default where a part lacks it.
 *
 * @returns a phrase, or nothing when parts fit
 */
export function schemaDifference(backup: Defined, there: Defined): string | undefined {
  const types = new Map(there.schema.columns.map((column) => [column.name, column.type]))
  for (const { name, type } of backup.schema.columns) {
    const now = types.get(name)
    if (now === undefined) return `it has no column ${name}`
    if (now !== type) return `column ${name} is ${now}, not ${type}`
  }
  for (const [what, key] of KEYS) {
    if (backup.schema[key] !== there.schema[key])
      return `${what} is ${there.schema[key] || 'empty'}, not ${backup.schema[key] || 'empty'}`
  }
  return family(backup.engine) === family(there.engine)
    ? undefined
    : `its engine is ${there.engine}, not ${backup.engine}`
}

const KEYS = [
  ['PARTITION BY', 'partitionKey'],
  ['ORDER BY', 'sortingKey'],
  ['PRIMARY KEY', 'primaryKey'],
  ['SAMPLE BY', 'samplingKey'],
] as const

/** Parts of a table and of its replicated twin are the same. */
function family(engine: string): string {
  return engine.replace(/^(Replicated|Shared)/, '')
}
