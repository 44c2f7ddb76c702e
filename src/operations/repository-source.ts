import { selectTables } from '../core/selector.ts'
import { readContents, readParts, readPartitions, readSchemas } from '../repository/backups.ts'
import { poolOf } from './context.ts'
import type { Context } from './context.ts'
import { loadAll } from './load-queue.ts'
import { withPin } from './pin.ts'
import type { RestoreSource, SourceTable } from './restore-source.ts'

/** A backup in a repository, as the source of a restore. */
export function repositorySource(ctx: Omit<Context, 'engine'>, backup: string): RestoreSource {
  const { repository } = ctx
  return {
    name: backup,
    moves: true,
    read: async (selector) => {
      const { databases, tables } = await readContents(repository, backup)
      const entries = selectTables(selector, tables)
      const [partitions, schemas] = await Promise.all([
        readPartitions(repository, entries),
        readSchemas(repository, entries),
      ])
      const found = entries.flatMap((entry, index): readonly SourceTable[] => {
        const schema = schemas[index]
        const list = (partitions[index] ?? []).map((partition) => ({
          ...partition,
          entries: () => readParts(repository, partition),
        }))
        return schema ? [{ entry, schema, partitions: list }] : []
      })
      return { databases, tables: found }
    },
    open: (onBytes) => {
      const pool = poolOf(ctx, onBytes)
      return {
        load: (requests, onLoaded) => loadAll(requests, { ...ctx, pool }, onLoaded),
        [Symbol.asyncDispose]: () => pool[Symbol.asyncDispose](),
      }
    },
    keep: (work) => withPin(ctx, { backup, reason: 'restore' }, work),
  }
}
