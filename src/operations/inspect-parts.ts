import { displayName } from '../core/sql.ts'
import type { Table } from '../engine/catalog.ts'
import type { FrozenPart } from '../engine/shadow.ts'
import type { Inspection } from '../repository/inspect-part.ts'
import type { Tasks } from '../repository/tasks.ts'
import type { Emit } from '../core/events.ts'

export interface InspectedPart {
  readonly part: FrozenPart
  readonly inspection: Inspection
}

/** A hundred directories are some milliseconds of a worker: enough to keep it busy, few enough to share. */
const BATCH = 100

/** Read the identities of parts, side by side. A part that cannot be read at all is a finding, and is left out. */
export async function inspectParts(
  { table, parts }: { readonly table: Table; readonly parts: readonly FrozenPart[] },
  {
    pool,
    emit,
    files = false,
  }: { readonly pool: Pick<Tasks, 'inspect'>; readonly emit: Emit; readonly files?: boolean },
): Promise<readonly InspectedPart[]> {
  const batches = Array.from({ length: Math.ceil(parts.length / BATCH) }, (_, index) =>
    parts.slice(index * BATCH, (index + 1) * BATCH),
  )
  const inspected = await Promise.all(
    batches.map(async (batch) => {
      const results = await pool.inspect({ directories: batch.map((part) => part.directory), files })
      return results.flatMap((result, index): readonly InspectedPart[] => {
        const part = batch[index] as FrozenPart
        if (result.outcome === 'inspected') return [{ part, inspection: result.inspection }]
        emit({
          type: 'finding',
          severity: 'incomplete',
          object: partName(table, part),
          message: `cannot be read: ${result.message}`,
        })
        return []
      })
    }),
  )
  return inspected.flat()
}

/** How messages name a part: `db.table part`. */
export function partName(table: Pick<Table, 'database' | 'name'>, part: { readonly name: string }): string {
  return `${displayName(table)} ${part.name}`
}
