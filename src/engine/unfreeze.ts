import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Disk } from '../core/disk.ts'
import type { Emit } from '../core/events.ts'
import { sql } from '../core/sql.ts'
import type { TableName } from '../core/sql.ts'
import { number } from './engine.ts'
import type { Engine, ServerDisk, ServerInfo } from './engine.ts'
import { freezerState } from './freezer.ts'
import { parseFreezeName } from './freeze-name.ts'
import type { Freezer } from './freeze-name.ts'
import { freezesOn } from './shadow.ts'

export interface UnfreezeContext {
  readonly engine: Pick<Engine, 'query' | 'command'>
  readonly info: Pick<ServerInfo, 'disks'>
  readonly disk: Disk
}

/** A statement of ours that was hung up on may run on for a while; what it links must not outlive the unfreeze. */
const PATIENCE = 10_000

/**
 * Undo a freeze: by SYSTEM UNFREEZE where the server allows it, else by ALTER TABLE … UNFREEZE where it knows that, and in
 * every case by removing what is left of *this* freeze's own directories: those of tables dropped meanwhile, the empty
 * ones above the parts, everything on old servers.
 */
export async function unfreeze(name: string, tables: readonly TableName[], context: UnfreezeContext): Promise<void> {
  const { engine, info, disk } = context
  if (!parseFreezeName(name)) throw new Error(`${name} is not a freeze of ours`)
  await waitForStatements(name, engine)
  const locals = info.disks.filter((candidate) => candidate.type === 'local')
  const whole = await succeeds(engine.command(sql`SYSTEM UNFREEZE WITH NAME ${name}`))
  if (!whole)
    await Promise.all(
      tables.map((table) => succeeds(engine.command(sql`ALTER TABLE ${table} UNFREEZE WITH NAME ${name}`))),
    )
  await Promise.all(locals.map((candidate) => disk.remove(shadowOf(candidate, name))))
}

/**
 * Clear what killed runs left behind. Freezes of processes that run, of other machines and of other tools stay.
 *
 * @returns the freezes that were cleared, and those of ours whose maker is on another machine
 */
export async function clearStaleFreezes(
  context: UnfreezeContext,
  self: Freezer,
  emit: Emit,
): Promise<{ readonly cleared: readonly string[]; readonly unknown: readonly string[] }> {
  const ours = freezesOn(context.info.disks, context.disk).flatMap((name) => {
    const freezer = parseFreezeName(name)
    return freezer ? [{ name, state: freezerState(freezer, self) }] : []
  })
  const cleared = ours.filter(({ state }) => state === 'gone').map(({ name }) => name)
  for (const name of cleared) {
    emit({
      type: 'finding',
      severity: 'note',
      object: name,
      message: 'was left by a run that was killed, and is cleared',
    })
    await unfreeze(name, [], context)
  }
  return { cleared, unknown: ours.filter(({ state }) => state === 'unknown').map(({ name }) => name) }
}

function shadowOf(disk: ServerDisk, name: string): string {
  return join(disk.local, 'shadow', name)
}

async function waitForStatements(name: string, engine: UnfreezeContext['engine']): Promise<void> {
  const running = sql`SELECT count() AS running FROM system.processes WHERE query LIKE ${`%FREEZE WITH NAME '${name}'%`}`
  for (let waited = 0; waited < PATIENCE; waited += 100) {
    const rows = await engine.query(running, { timeout: 5000 }).catch(() => [])
    if (!rows[0] || number(rows[0], 'running') === 0) return
    await sleep(100)
  }
}

/** Not every server knows or allows every way; what one leaves, the next removes. */
async function succeeds(work: Promise<void>): Promise<boolean> {
  return work.then(
    () => true,
    () => false,
  )
}
