import { join } from 'node:path'
import type { PendingMutation } from '../core/definitions.ts'
import type { Disk } from '../core/disk.ts'
import { isErrno } from '../core/errors.ts'
import { listIfThere } from '../core/disk-error.ts'
import { parsePartName } from '../core/part-name.ts'
import type { Table } from './catalog.ts'
import type { ServerInfo } from './engine.ts'
import { tableDirectories } from './shadow.ts'

/** ClickHouse keeps each mutation of a plain table in a file, for as long as parts wait for it and a while longer. */
const FILE = /^mutation_(\d+)\.txt$/

/** The mutations of a table, as they lie beside its parts: pending ones, and some that are done. */
export function readMutations(table: Table, info: Pick<ServerInfo, 'disks'>, disk: Disk): readonly PendingMutation[] {
  const [first] = table.engine.startsWith('Replicated') ? [] : tableDirectories(table, info)
  if (!first) return []
  return listIfThere(disk, first.local).flatMap(({ name }): readonly PendingMutation[] => {
    const version = FILE.exec(name)?.[1]
    if (version === undefined) return []
    try {
      const text = Buffer.from(disk.read(join(first.local, name))).toString()
      return [{ database: table.database, name: table.name, version: Number(version), text }]
    } catch (error) {
      // Done and cleared since it was listed.
      if (isErrno(error, 'ENOENT')) return []
      throw error
    }
  })
}

/** Names of the parts that a mutation still applies to: those whose data is older. */
export function waitingParts(
  { version }: Pick<PendingMutation, 'version'>,
  parts: readonly string[],
): readonly string[] {
  return parts.filter((name) => dataVersion(name) < version)
}

/** Did this mutation make any of these parts? Then it began before them. */
export function hasMade({ version }: Pick<PendingMutation, 'version'>, parts: readonly string[]): boolean {
  return parts.some((name) => dataVersion(name) === version)
}

export function mutationFile({ version }: Pick<PendingMutation, 'version'>): string {
  return `mutation_${version}.txt`
}

function dataVersion(name: string): number {
  const { mutation = 0, minBlock = 0 } = parsePartName(name) ?? {}
  return mutation || minBlock
}
