import { Corrupt } from '../core/corrupt.ts'
import { PermafrostError } from '../core/errors.ts'
import { localCreate } from '../core/local-create.ts'
import type { PartEntry, PartitionEntry, TableEntry, TableSchema } from '../core/manifest.ts'
import { isPatchPart } from '../core/part-name.ts'
import { storedLength } from '../core/part-stream.ts'
import { displayName, sql } from '../core/sql.ts'
import type { Sql, TableName } from '../core/sql.ts'
import type { Gateway, ViewFile } from '../engine/gateway.ts'
import { readParts } from '../repository/backups.ts'
import { storedFiles } from '../repository/part-reader.ts'
import type { PartReader } from '../repository/part-reader.ts'
import type { Repository } from '../repository/repository.ts'

/** A table of a backup, and how it is shown. */
export interface Mount {
  readonly table: TableName
  /** Makes it, in any ClickHouse that reaches the gateway. */
  readonly create: string
  readonly parts: number
  /** Bytes that its parts take in the repository. */
  readonly stored: number
}

export interface MountRequest {
  readonly entry: TableEntry
  readonly schema: TableSchema
  readonly partitions: readonly PartitionEntry[]
  /** The name that it is shown under. */
  readonly as: TableName
  /** The prefix of its keys: one step. */
  readonly key: string
}

interface MountContext {
  readonly repository: Repository
  readonly reader: PartReader
  readonly gateway: Gateway
}

/**
 * Show the parts of a table through the gateway, as plain `<part>/<file>` keys: what ClickHouse's `s3_plain` disk reads. With
 * statistics on, 26.7 would read them of every column of every part when it opens the table: minutes instead of seconds.
 *
 * @throws ENGINE_REFUSED for parts that only the server's own encrypted disk can read
 */
export async function mountTable(
  { entry, schema, partitions, as, key }: MountRequest,
  { repository, reader, gateway }: MountContext,
): Promise<Mount> {
  const parts = await readParts(repository, partitions)
  const encrypted = parts.find((part) => part.encrypted)
  if (encrypted) {
    const message = `${displayName(entry)} ${encrypted.name} was written by the encrypted disk ${encrypted.disk}: only a server that has its key can read it`
    throw new PermafrostError('ENGINE_REFUSED', message, { hint: 'restore it to that server' })
  }
  gateway.add(new Map(parts.flatMap((part) => filesOf(part, { entry, key, reader }))))
  const disk = sql`disk = disk(readonly = 1, type = s3_plain, endpoint = ${`${gateway.endpoint}${key}/`}, access_key_id = ${gateway.accessKey}, secret_access_key = ${gateway.accessKey}, retry_attempts = 0)`
  const settings = [sql`table_disk = 1`, sql`auto_statistics_types = ''`, sql`refresh_statistics_interval = 0`, disk]
  const stored = parts.flatMap((part) => part.segments).reduce((sum, segment) => sum + storedLength(segment), 0)
  return {
    table: as,
    create: localDefinition({ entry, schema }, settings),
    parts: parts.filter((part) => !isPatchPart(part.name)).length,
    stored,
  }
}

/** A definition for a ClickHouse that stands alone. @throws ENGINE_REFUSED when it does not read */
export function localDefinition(
  { entry, schema }: { readonly entry: TableName; readonly schema: TableSchema },
  settings: readonly Sql[],
): string {
  try {
    return localCreate(schema.create, settings)
  } catch (error) {
    if (!(error instanceof Corrupt)) throw error
    throw new PermafrostError(
      'ENGINE_REFUSED',
      `the definition of ${displayName(entry)} does not read: ${error.message}`,
      {
        hint: `permafrost show <backup> -t '${displayName(entry)}' --schema`,
        cause: error,
      },
    )
  }
}

function filesOf(
  part: PartEntry,
  { entry, key, reader }: { readonly entry: TableEntry; readonly key: string; readonly reader: PartReader },
): readonly (readonly [string, ViewFile])[] {
  return storedFiles(part).map((file) => {
    const read: ViewFile['read'] = async function* read(range) {
      try {
        yield* reader.read(file, range)
      } catch (error) {
        throw named(entry, error)
      }
    }
    return [`${key}/${part.name}/${file.path}`, { size: file.size, read }] as const
  })
}

/** The reader knows part and file; whose part it is, only we know. */
function named(table: TableName, error: unknown): unknown {
  if (!(error instanceof PermafrostError) || error.code !== 'DAMAGED' || error.detail?.['part'] === undefined)
    return error
  return new PermafrostError('DAMAGED', `${displayName(table)} ${error.message}`, {
    hint: error.hint,
    detail: { table: displayName(table), ...error.detail },
    cause: error,
  })
}
