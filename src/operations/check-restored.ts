import type { Emit } from '../core/events.ts'
import type { PartEntry } from '../core/manifest.ts'
import { displayName } from '../core/sql.ts'
import type { TableName } from '../core/sql.ts'
import { plural } from '../core/units.ts'
import { keyOf } from '../engine/catalog.ts'
import type { Engine } from '../engine/engine.ts'
import { readServerParts } from '../engine/parts.ts'
import type { ServerPart } from '../engine/parts.ts'
import type { TableToRestore } from './restore-context.ts'

/** The parts that the server has of a table, merged-away ones among them. */
export async function partsOf(engine: Engine, table: TableName): Promise<ReadonlyMap<string, ServerPart>> {
  const parts = await readServerParts(engine, await engine.describe(), [table.database])
  return parts.get(keyOf(table)) ?? new Map()
}

/**
 * What of these parts the server does not have, by their names and hashes. Right after an ATTACH TABLE: merges may have begun,
 * but a part that was merged away stays in the list for minutes.
 */
export function missingPlaced(
  parts: readonly PartEntry[],
  server: ReadonlyMap<string, ServerPart>,
): readonly PartEntry[] {
  return parts.filter((part) => {
    const loaded = server.get(part.name)
    const same = loaded && (loaded.hash === undefined || part.hash === undefined || loaded.hash === part.hash)
    return !same || (part.rows > 0 && loaded.rows !== part.rows)
  })
}

/**
 * Compare a table with the manifest after ATTACH PART, which gives new names: by hashes, counting parts with equal content.
 * Where the server has none, by rows.
 */
export function missingAttached(parts: readonly PartEntry[], server: ReadonlyMap<string, ServerPart>): number {
  const counts = new Map<string, number>()
  for (const { hash } of server.values()) if (hash) counts.set(hash, (counts.get(hash) ?? 0) + 1)
  let missing = 0
  let rows = 0
  for (const part of parts) {
    const left = part.hash === undefined ? undefined : counts.get(part.hash)
    if (counts.size === 0 || part.hash === undefined) rows += part.rows
    else if (left) counts.set(part.hash, left - 1)
    else missing++
  }
  const active = [...server.values()].filter((part) => part.active).reduce((sum, part) => sum + part.rows, 0)
  return missing + (active < rows ? 1 : 0)
}

/** Say that a table is not what the manifest says; unknown never counts as success. */
export function reportMissing(table: TableName, missing: number, emit: Emit): void {
  if (missing === 0) return
  const message = `${plural(missing, 'part')} of the backup cannot be found in the table after the restore`
  emit({
    type: 'finding',
    severity: 'incomplete',
    object: displayName(table),
    message,
    hint: 'look at system.detached_parts',
  })
}

/** Parts that get new names lose what they waited for: only the user can say it again. */
export function reportMutations({ step, mutations }: Pick<TableToRestore, 'step' | 'mutations'>, emit: Emit): void {
  for (const { text } of mutations) {
    const commands = /^commands: (.*)$/m.exec(text)?.[1]?.replaceAll(/\\(.)/g, '$1') ?? text
    const message = `a mutation was not done when it was backed up, and some of its parts wait for it: ${commands}`
    emit({ type: 'finding', severity: 'incomplete', object: displayName(step.target), message })
  }
}
