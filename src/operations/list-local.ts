import { keyOf } from '../engine/catalog.ts'
import { readLocalSnapshots } from '../engine/local-snapshots.ts'
import { readServerParts } from '../engine/parts.ts'
import type { Context } from './context.ts'
import { totalsOf } from './local-source.ts'

/** A local snapshot in the list. */
export interface ListedSnapshot {
  readonly id: string
  readonly host: string
  readonly started: string
  readonly tags: readonly string[]
  readonly status: 'complete' | 'incomplete'
  readonly tables: number
  readonly parts: number
  readonly rows: number
  readonly logical: number
  /** Bytes of its parts that the server itself has no more: what forgetting it could set free, if no other snapshot holds them. */
  readonly pinned: number
}

/** The local snapshots of the server, oldest first, with the space that they pin. */
export async function listLocal({
  engine,
  disk,
}: Pick<Context, 'engine' | 'disk'>): Promise<readonly ListedSnapshot[]> {
  const info = await engine.describe()
  const snapshots = readLocalSnapshots({ info, disk })
  const databases = new Set(snapshots.flatMap(({ tables }) => tables.map(({ table }) => table.database)))
  const server = await readServerParts(engine, info, [...databases])
  return snapshots.map(({ id, server: { host }, started, tags, tables, findings }) => {
    const { bytes, ...totals } = totalsOf(tables.flatMap(({ parts }) => parts))
    const pinned = tables.flatMap(({ table, parts }) => {
      const there = server.get(keyOf(table))
      return parts.filter(({ name, hash }) => there?.get(name)?.hash !== hash || !there?.has(name))
    })
    const isWhole = !findings.some(({ severity }) => severity === 'incomplete' || severity === 'damage')
    return {
      id,
      host,
      started,
      tags,
      status: isWhole ? 'complete' : 'incomplete',
      tables: tables.length,
      ...totals,
      logical: bytes,
      pinned: totalsOf(pinned).bytes,
    }
  })
}
