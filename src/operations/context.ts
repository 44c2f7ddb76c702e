import type { Disk } from '../core/disk.ts'
import type { Emit } from '../core/events.ts'
import type { Engine } from '../engine/engine.ts'
import type { Freezer } from '../engine/freeze-name.ts'
import type { Compression } from '../repository/pack-chain.ts'
import { openPool } from '../repository/pool.ts'
import type { Pool } from '../repository/pool.ts'
import type { Repository } from '../repository/repository.ts'

/** Everything that operations need from outside; made in cli/compose.ts and nowhere else. */
export interface Context {
  readonly repository: Repository
  readonly engine: Engine
  readonly disk: Disk
  readonly clock: () => Date
  readonly random: (size: number) => Uint8Array
  readonly emit: Emit
  readonly signal: AbortSignal
  readonly limits: Limits
  /** This process, as the maker of freezes. */
  readonly self: Freezer
  /** Permafrost's own version. */
  readonly version: string
}

export interface Limits {
  /** Worker threads; 0 for none, in tests. */
  readonly workers: number
  /** Bytes for pack buffers. */
  readonly memory: number
  /** `off` when not given. */
  readonly compression?: Compression
}

/** The workers of an operation. */
export function poolOf(ctx: Pick<Context, 'repository' | 'disk' | 'signal' | 'limits'>): Pool {
  const { repository, disk, signal, limits } = ctx
  const { packTarget } = repository.format
  return openPool({ storage: repository.storage, packTarget, disk, signal, ...limits })
}
