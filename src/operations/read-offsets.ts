import { readCreate } from '../core/create-statement.ts'
import type { ObjectEntry, QueueOffset } from '../core/definitions.ts'
import { PermafrostError } from '../core/errors.ts'
import { mentionsOf } from '../core/mentions.ts'
import { isQueue } from '../core/queues.ts'
import { displayName, identifier, sql } from '../core/sql.ts'
import type { TableName } from '../core/sql.ts'
import { keyOf } from '../engine/catalog.ts'
import type { Table } from '../engine/catalog.ts'
import { text } from '../engine/engine.ts'
import type { Context } from './context.ts'

/** Columns that keep where in its topic a row came from. */
const OFFSET = '_offset'
const PARTITION = '_partition'
/** Reading one column takes seconds; a table for which it does not is not worth holding up a backup. */
const PATIENCE = 60_000

export interface OffsetInput {
  readonly tables: readonly Table[]
  readonly objects: readonly ObjectEntry[]
}

/** For each queue, the last offsets in the tables that its views write to, as far as these keep them. */
export async function readOffsets(
  ctx: Pick<Context, 'engine' | 'emit'>,
  { tables, objects }: OffsetInput,
): Promise<readonly QueueOffset[]> {
  const wanted = objects.filter(isQueue).flatMap((queue) =>
    tablesBehind(queue, objects).flatMap((name) => {
      const table = tables.find((one) => keyOf(one) === keyOf(name))
      return table?.schema.columns.some((column) => column.name === OFFSET) ? [{ queue, table }] : []
    }),
  )
  const found = await Promise.all(wanted.map((one) => offsetsOf(one, ctx)))
  return found.flat()
}

async function offsetsOf(
  { queue, table }: { readonly queue: ObjectEntry; readonly table: Table },
  { engine, emit }: Pick<Context, 'engine' | 'emit'>,
): Promise<readonly QueueOffset[]> {
  const names = { queue: nameOf(queue), table: nameOf(table) }
  const partitioned = table.schema.columns.some((column) => column.name === PARTITION)
  const partition = partitioned ? sql`toString(${identifier(PARTITION)})` : sql`''`
  try {
    const rows = await engine.query(
      sql`SELECT ${partition} AS of, toString(max(${identifier(OFFSET)})) AS last FROM ${table} GROUP BY of ORDER BY of`,
      { timeout: PATIENCE },
    )
    return rows.map((row) => ({
      ...names,
      ...(partitioned && { partition: text(row, 'of') }),
      offset: text(row, 'last'),
    }))
  } catch (error) {
    if (!(error instanceof PermafrostError)) throw error
    const message = `how far it had come is not known: ${error.message}`
    emit({ type: 'finding', severity: 'note', object: displayName(queue), message })
    return []
  }
}

/** The tables that hold what came out of a queue: behind its views, and behind the Distributed tables that those write to. */
function tablesBehind(queue: TableName, objects: readonly ObjectEntry[]): readonly TableName[] {
  const named = objects.map((entry) => ({ entry, ...mentionsOf(readCreate(entry.create), entry.database) }))
  const views = named.filter(({ tables }) =>
    tables.some(({ role, table }) => role === 'source' && keyOf(table) === keyOf(queue)),
  )
  const targets = views.flatMap(({ tables }) =>
    tables.filter(({ role }) => role === 'target').map(({ table }) => table),
  )
  return targets.map((target) => {
    const front = named.find(({ entry }) => keyOf(entry) === keyOf(target))
    return front?.tables.find(({ role }) => role === 'engine')?.table ?? target
  })
}

function nameOf({ database, name }: TableName): TableName {
  return { database, name }
}
