import type { PartEntry } from '../core/manifest.ts'
import type { SourceTable } from './restore-source.ts'

/** The parts of all partitions of a table. @throws DAMAGED */
export async function sourceParts({ partitions }: Pick<SourceTable, 'partitions'>): Promise<readonly PartEntry[]> {
  const parts: PartEntry[] = []
  for (const partition of partitions) parts.push(...(await partition.entries()))
  return parts
}
