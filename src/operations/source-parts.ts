import type { PartEntry } from '../core/manifest.ts'
import type { SourceTable } from './restore-source.ts'

/** The parts of all partitions of a table that are wanted. @throws DAMAGED */
export function sourceParts(table: Pick<SourceTable, 'partitions' | 'parts'>): Promise<readonly PartEntry[]> {
  return table.parts(new Set(table.partitions.map(({ id }) => id)))
}
