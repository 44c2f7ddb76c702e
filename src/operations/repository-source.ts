import type { BackupSummary } from '../core/manifest.ts'
import { readContents, readParts, readPartitions, readSchemas } from '../repository/backups.ts'
import { poolOf } from './context.ts'
import type { Context } from './context.ts'
import { loadAll } from './load-queue.ts'
import { withPin } from './pin.ts'
import { restoreSelection } from './restore-selection.ts'
import type { RestoreSource, SourceTable } from './restore-source.ts'

/** A backup in a repository, as the source of a restore. */
export function repositorySource(
  ctx: Omit<Context, 'engine'>,
  { id: backup, clickhouse }: Pick<BackupSummary, 'id' | 'clickhouse'>,
): RestoreSource {
  const { repository } = ctx
  return {
    name: backup,
    moves: true,
    read: async (choice) => {
      const contents = await readContents(repository, backup)
      const { tables: entries, ...selected } = restoreSelection(contents, choice)
      const [partitions, schemas] = await Promise.all([
        readPartitions(repository, entries),
        readSchemas(repository, entries),
      ])
      const found = entries.flatMap((entry, index): readonly SourceTable[] => {
        const schema = schemas[index]
        const list = partitions[index] ?? []
        const parts = (ids: ReadonlySet<string>) =>
          readParts(
            repository,
            list.filter(({ id }) => ids.has(id)),
          )
        return schema ? [{ entry, schema, partitions: list, parts }] : []
      })
      const { databases, definitions } = contents
      return { ...selected, databases, tables: found, mutations: definitions?.mutations ?? [], clickhouse }
    },
    open: (onBytes) => {
      const pool = poolOf(ctx)
      pool.onBytes(onBytes)
      return {
        load: (requests, onLoaded) => loadAll(requests, { ...ctx, pool }, onLoaded),
        [Symbol.asyncDispose]: () => pool[Symbol.asyncDispose](),
      }
    },
    keep: (work) => withPin(ctx, { backup, reason: 'restore' }, work),
  }
}
