import { setTimeout as sleep } from 'node:timers/promises'
import pLimit from 'p-limit'
import type { Disk } from '../core/disk.ts'
import { toPermafrostError } from '../core/errors.ts'
import type { PermafrostError } from '../core/errors.ts'
import { sql } from '../core/sql.ts'
import type { Sql } from '../core/sql.ts'
import { keyOf, readCatalog } from './catalog.ts'
import type { Table } from './catalog.ts'
import { CLICKHOUSE, isClickHouse } from './clickhouse-error.ts'
import type { Engine, ServerInfo } from './engine.ts'
import { makeFreezeName } from './freeze-name.ts'
import type { Freezer } from './freeze-name.ts'
import { readServerParts } from './parts.ts'
import type { ServerParts } from './parts.ts'
import { frozenParts } from './shadow.ts'
import type { FrozenPart } from './shadow.ts'
import { unfreeze } from './unfreeze.ts'

/** What became of a table in a freeze. */
export type FreezeOutcome =
  | { readonly outcome: 'frozen'; readonly table: Table; readonly at: Date; readonly parts: readonly FrozenPart[] }
  /** Gone between the catalogue and the freeze: somebody dropped it. */
  | { readonly outcome: 'dropped'; readonly table: Table }
  /** ALTERed again and again while it was frozen. */
  | { readonly outcome: 'changing'; readonly table: Table }
  | { readonly outcome: 'refused'; readonly table: Table; readonly error: PermafrostError }

/** Frozen tables; dispose of it to unfreeze them. */
export interface Freeze extends AsyncDisposable {
  readonly tables: readonly FreezeOutcome[]
  /** `system.parts` of their databases, from after the freeze. */
  readonly serverParts: ServerParts
}

export interface FreezeOptions {
  readonly engine: Engine
  readonly disk: Disk
  readonly self: Freezer
  readonly random: (size: number) => Uint8Array
  readonly clock: () => Date
  readonly signal?: AbortSignal | undefined
}

/** Servers before 22.x refuse more than 100 statements at a time, later ones more than 1,000; others need some, too. */
const AT_ONCE = 80
/** A table that is altered during three freezes in a row will be altered during the fourth. */
const ROUNDS = 3

/**
 * Freeze tables. A FREEZE fixes its list of parts when it starts and then links for as long as it takes, so all are started at
 * the same instant: the tables are rows apart, where one after another they would be hundreds apart. Afterwards the
 * catalogue is read again: a table whose definition changed meanwhile is frozen once more, under the new one.
 *
 * A shadow counts only when its own statement has returned: one that was killed looks just like it.
 */
export async function freezeTables(tables: readonly Table[], options: FreezeOptions): Promise<Freeze> {
  const { engine, disk, self, random, signal } = options
  const info = await engine.describe()
  const base = makeFreezeName(self, random)
  const names: string[] = []
  const undo = async (): Promise<void> => {
    for (const name of names) await unfreeze(name, tables, { engine, info, disk })
  }
  try {
    const outcomes = new Map<string, FreezeOutcome>()
    const databases = [...new Set(tables.map(({ database }) => database))]
    let todo = tables
    let serverParts: ServerParts = new Map()
    for (let round = 1; todo.length > 0 && round <= ROUNDS; round++) {
      signal?.throwIfAborted()
      const name = round === 1 ? base : `${base}_r${round}`
      names.push(name)
      for (const outcome of await freezeOnce(todo, name, { ...options, info }))
        outcomes.set(keyOf(outcome.table), outcome)
      const looks = [changedTables(todo, engine, info), readServerParts(engine, info, databases)] as const
      const [changed, parts] = await Promise.all(looks)
      todo = changed
      serverParts = parts
      for (const table of todo) outcomes.set(keyOf(table), { outcome: 'changing', table })
    }
    return { tables: [...outcomes.values()], serverParts, [Symbol.asyncDispose]: undo }
  } catch (error) {
    await undo()
    throw error
  }
}

async function freezeOnce(
  tables: readonly Table[],
  name: string,
  { engine, info, disk, clock, signal }: FreezeOptions & { readonly info: ServerInfo },
): Promise<readonly FreezeOutcome[]> {
  const limit = pLimit(AT_ONCE)
  const started = await Promise.all(
    tables.map((table) =>
      limit(async (): Promise<FreezeOutcome> => {
        const at = clock()
        try {
          await freezeTable(engine, sql`ALTER TABLE ${table} FREEZE WITH NAME ${name}`, signal)
          return { outcome: 'frozen', table, at, parts: [] }
        } catch (error) {
          signal?.throwIfAborted()
          if (isClickHouse(error, CLICKHOUSE.UNKNOWN_TABLE, CLICKHOUSE.UNKNOWN_DATABASE))
            return { outcome: 'dropped', table }
          return { outcome: 'refused', table, error: toPermafrostError(error) }
        }
      }),
    ),
  )
  return started.map((outcome) =>
    outcome.outcome === 'frozen' ? { ...outcome, parts: frozenParts(outcome.table, name, { info, disk }) } : outcome,
  )
}

/**
 * Run one FREEZE. It is repeated only when it certainly did not begin: the server was too busy to take it, or two of the first
 * FREEZEs of a new server met while one of them was creating `shadow/increment.txt` (seen on 26.7: code 32, about one start
 * in ten with three tables).
 */
async function freezeTable(engine: Engine, statement: Sql, signal: AbortSignal | undefined): Promise<void> {
  for (let wait = 50; ; wait *= 2) {
    try {
      return await engine.command(statement, { signal })
    } catch (error) {
      if (!hasNotBegun(error) || wait > 3200) throw error
      await sleep(wait, undefined, { ...(signal && { signal }) })
    }
  }
}

function hasNotBegun(error: unknown): boolean {
  if (isClickHouse(error, CLICKHOUSE.TOO_MANY_SIMULTANEOUS_QUERIES)) return true
  return isClickHouse(error, CLICKHOUSE.ATTEMPT_TO_READ_AFTER_EOF) && error.message.includes('increment.txt is empty')
}

/** Of these tables the ones that have another definition now, as they are now. */
async function changedTables(tables: readonly Table[], engine: Engine, info: ServerInfo): Promise<readonly Table[]> {
  const now = new Map((await readCatalog(engine, info)).map((table) => [keyOf(table), table]))
  return tables.flatMap((table) => {
    const current = now.get(keyOf(table))
    const same = !current || (current.uuid === table.uuid && current.schema.create === table.schema.create)
    return same ? [] : [current]
  })
}
