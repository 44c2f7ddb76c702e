import { setTimeout as sleep } from 'node:timers/promises'
import { PermafrostError } from '../core/errors.ts'
import { sql } from '../core/sql.ts'
import type { Sql } from '../core/sql.ts'
import { number, text } from './engine.ts'
import type { Engine, Row } from './engine.ts'

export interface NativeOperation {
  /** The id that the statement has in its settings. */
  readonly id: string
  /** A BACKUP or RESTORE that does not wait for its end. */
  readonly statement: Sql
  readonly signal: AbortSignal
}

/** What it moved, as the server counts. */
export interface NativeResult {
  readonly files: number
  readonly bytes: number
}

const RUNNING = new Set(['CREATING_BACKUP', 'RESTORING'])
const DONE = new Set(['BACKUP_CREATED', 'RESTORED'])
const PAUSE = 500

/**
 * Run the server's own BACKUP or RESTORE to its end. Only the statuses that mean success are success: one that is not known, and a
 * server that has forgotten the operation (its list is in memory, and gone with a restart), are failures.
 *
 * @throws ENGINE_REFUSED, ENGINE_UNAVAILABLE, CANCELLED
 */
export async function runNative(
  engine: Pick<Engine, 'query' | 'command'>,
  { id, statement, signal }: NativeOperation,
): Promise<NativeResult> {
  await engine.query(statement, { signal })
  for (;;) {
    const [row] = await engine.query(sql`SELECT * FROM system.backups WHERE id = ${id}`)
    const { isOver, ...result } = outcomeOf(id, row)
    if (isOver) return result
    try {
      await sleep(PAUSE, undefined, { signal })
    } catch (error) {
      await engine.command(sql`KILL QUERY WHERE query_id = ${row ? text(row, 'query_id') : ''} ASYNC`)
      throw new PermafrostError('CANCELLED', 'stopped on request', { cause: error })
    }
  }
}

function outcomeOf(id: string, row: Row | undefined): NativeResult & { readonly isOver: boolean } {
  if (!row) {
    throw new PermafrostError('ENGINE_REFUSED', `the server knows nothing of ${id} any more: it was restarted`, {
      hint: 'run it again: what it wrote is no backup',
    })
  }
  const status = text(row, 'status')
  if (!RUNNING.has(status) && !DONE.has(status)) {
    const [said = ''] = String(row['error'] ?? '').split(', Stack trace', 1)
    throw new PermafrostError('ENGINE_REFUSED', `the server ended ${id} with ${status}${said && `: ${said}`}`)
  }
  return { files: number(row, 'num_files'), bytes: number(row, 'total_size'), isOver: DONE.has(status) }
}
