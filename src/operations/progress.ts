import type { Phase } from '../core/events.ts'
import { keyOf } from '../engine/catalog.ts'
import type { ServerParts } from '../engine/parts.ts'
import type { Context } from './context.ts'
import type { FrozenTable } from './frozen-tables.ts'

/** Parts that are done: how many, their bytes, how many of these did not have to move, and the last one's name. */
export interface Done {
  readonly parts: number
  readonly bytes: number
  readonly reused: number
  readonly current: string
}

export interface ProgressMeter {
  readonly total: { readonly parts: number; readonly bytes: number }
  /** Bytes on their way, for a bar that moves within a part. */
  moved(bytes: number): void
  done(done: Done): void
}

/** A person reads no faster, and a log should not grow faster. */
const EVERY = 100

/** Progress of storing frozen tables, as events: at most ten a second. */
export function progressOf(
  ctx: Pick<Context, 'emit' | 'clock'>,
  {
    phase,
    tables,
    serverParts,
  }: { readonly phase: Phase; readonly tables: readonly FrozenTable[]; readonly serverParts: ServerParts },
): ProgressMeter {
  const parts = tables.reduce((sum, table) => sum + table.parts.length, 0)
  const bytes = tables.reduce((sum, { table, parts: frozen }) => {
    const known = serverParts.get(keyOf(table))
    return sum + frozen.reduce((total, part) => total + (known?.get(part.name)?.bytes ?? 0), 0)
  }, 0)
  return progressMeter(ctx, { phase, total: { parts, bytes } })
}

/** A meter of this much work. */
export function progressMeter(
  { emit, clock }: Pick<Context, 'emit' | 'clock'>,
  { phase, total }: { readonly phase: Phase; readonly total: { readonly parts: number; readonly bytes: number } },
): ProgressMeter {
  const finished = { parts: 0, bytes: 0, reused: 0 }
  let moving = 0
  let current = ''
  let last = 0
  const tell = (): void => {
    const now = clock().getTime()
    if (now - last < EVERY && finished.parts < total.parts) return
    last = now
    const bytes = Math.min(total.bytes, Math.max(finished.bytes, finished.reused + moving))
    emit({ type: 'progress', phase, done: { parts: finished.parts, bytes }, total, current })
  }
  return {
    total,
    moved: (bytes) => {
      moving += bytes
      tell()
    },
    done: (done) => {
      finished.parts += done.parts
      finished.bytes += done.bytes
      finished.reused += done.reused
      current = done.current
      tell()
    },
  }
}
