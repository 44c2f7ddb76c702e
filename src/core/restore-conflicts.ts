import { PermafrostError } from './errors.ts'
import type { ExistingTable, RestorePlanInput, RestoreStep, WantedTable } from './restore-plan.ts'
import { schemaDifference } from './schema-difference.ts'
import { displayName } from './sql.ts'

/** A step, and the table that it would meet. */
export interface Planned {
  readonly table: WantedTable
  readonly there: ExistingTable | undefined
  readonly step: RestoreStep
}

/** @throws CONFLICT that names all of them */
export function refuseConflicts(planned: readonly Planned[], input: RestorePlanInput): void {
  const conflicts = planned.flatMap((one) => conflictOf(one, input) ?? [])
  const [first, ...others] = conflicts
  if (!first) return
  const more = others.length > 0 ? `, and ${others.length} more ${others.length === 1 ? 'conflict' : 'conflicts'}` : ''
  throw new PermafrostError('CONFLICT', first.message + more, {
    hint: first.hint,
    detail: { conflicts: conflicts.map((conflict) => conflict.message) },
  })
}

interface Conflict {
  readonly message: string
  readonly hint: readonly string[]
}

function conflictOf(
  { table, there, step }: Planned,
  { backup, wish, isBegun }: RestorePlanInput,
): Conflict | undefined {
  const { target } = step
  const name = displayName(target)
  const restore = `permafrost restore ${backup} -t ${shellQuote(displayName(table.entry))}`
  switch (wish.mode) {
    case 'all':
    case 'schema': {
      if (!there) return undefined
      const beside = displayName({ database: target.database, name: `${target.name}_restored` })
      return {
        message: `${name} exists already`,
        hint: [`restore beside it:  ${restore} --as ${shellQuote(beside)}`, `or replace it:  ${restore} --replace`],
      }
    }
    case 'data':
    case 'detached':
      if (!there) return { message: `${name} does not exist`, hint: [`make it as well:  ${restore}`] }
      if (!table.entry.engine.endsWith('MergeTree'))
        return {
          message: `${name} takes no parts: its engine is ${table.entry.engine}`,
          hint: [`replace it:  ${restore} --replace`],
        }
      return (
        definitionConflict(table, there) ??
        (wish.mode === 'data' && !isBegun(step) ? occupiedConflict(table, there, restore) : undefined)
      )
    case 'replace':
      return there && table.some ? definitionConflict(table, there) : undefined
  }
}

/** Rows would be there twice. */
function occupiedConflict(table: WantedTable, there: ExistingTable, restore: string): Conflict | undefined {
  const occupied = table.partitions.find((partition) => there.partitions.has(partition.id))
  if (!occupied) return undefined
  const partition = shellQuote(`${displayName(there)}:${occupied.id}`)
  return {
    message: `partition ${occupied.id} of ${displayName(there)} holds rows already`,
    hint: [
      `restore it beside:  ${restore} --as …`,
      `or replace the partition:  ${restore} --partition ${partition} --replace`,
    ],
  }
}

function definitionConflict({ entry, schema }: WantedTable, there: ExistingTable): Conflict | undefined {
  const difference = schemaDifference({ schema, engine: entry.engine }, there)
  if (!difference) return undefined
  return {
    message: `${displayName(there)} has another definition than in the backup: ${difference}`,
    hint: ['ATTACH would not notice. Restore it beside with --as, and copy with INSERT … SELECT'],
  }
}

function shellQuote(text: string): string {
  return /^[\w.@%+=:,/-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
}
