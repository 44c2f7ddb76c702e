import { renameCreate } from '../core/create-statement.ts'
import type { DatabaseEntry } from '../core/manifest.ts'
import { identifier, sql, trusted } from '../core/sql.ts'
import type { TableName } from '../core/sql.ts'
import type { Engine, ServerInfo } from './engine.ts'

/**
 * What an existing table may have and a new one needs permission for. `flatten_nested` off keeps `Nested` columns as they are
 * written. Each is set only where the server knows it.
 */
const PERMISSIVE: Readonly<Record<string, number>> = {
  flatten_nested: 0,
  data_type_default_nullable: 0,
  allow_deprecated_syntax_for_merge_tree: 1,
  allow_suspicious_low_cardinality_types: 1,
  allow_suspicious_fixed_string_types: 1,
  allow_suspicious_variant_types: 1,
  allow_suspicious_codecs: 1,
  allow_suspicious_indices: 1,
  allow_suspicious_primary_key: 1,
  allow_suspicious_ttl_expressions: 1,
  allow_experimental_codecs: 1,
  allow_experimental_object_type: 1,
  allow_experimental_json_type: 1,
  allow_experimental_variant_type: 1,
  allow_experimental_dynamic_type: 1,
  allow_experimental_bfloat16_type: 1,
  allow_experimental_time_time64_type: 1,
  allow_experimental_inverted_index: 1,
  allow_experimental_full_text_index: 1,
  allow_experimental_vector_similarity_index: 1,
  allow_experimental_statistics: 1,
  enable_time_time64_type: 1,
  allow_experimental_live_view: 1,
  allow_experimental_window_view: 1,
  allow_experimental_kafka_offsets_storage_in_keeper: 1,
}

type Server = Pick<Engine, 'command'>

/** Make a table under a name, from the CREATE statement of a backup. */
export async function createTable(
  engine: Server,
  { can }: Pick<ServerInfo, 'can'>,
  table: { readonly create: string; readonly as: TableName },
): Promise<void> {
  await createObject(engine, { can }, renameCreate(table.create, table.as))
}

/** Make what a CREATE statement of a backup says, as it stands. */
export async function createObject(engine: Server, { can }: Pick<ServerInfo, 'can'>, statement: string): Promise<void> {
  const settings = Object.fromEntries(Object.entries(PERMISSIVE).filter(([name]) => can.hasSetting(name)))
  await engine.command(trusted(statement), { settings })
}

/** Make a table with the definition of another that is there. */
export async function createTableLike(engine: Server, table: TableName, like: TableName): Promise<void> {
  await engine.command(sql`CREATE TABLE IF NOT EXISTS ${table} AS ${like}`)
}

/** Engines whose name alone makes a database; others come from their own CREATE statement, or are made as the server's default. */
const SIMPLE_DATABASES = new Set(['Atomic', 'Ordinary'])

/** Make a database when it is not there, with the engine that it had. */
export async function createDatabase(
  engine: Server,
  { can }: Pick<ServerInfo, 'can'>,
  { name, source }: { readonly name: string; readonly source: DatabaseEntry | undefined },
): Promise<void> {
  const kind =
    source && SIMPLE_DATABASES.has(source.engine) && can.hasTable('databases')
      ? sql` ENGINE = ${trusted(source.engine)}`
      : sql``
  const allow = 'allow_deprecated_database_ordinary'
  const settings = can.hasSetting(allow) ? { [allow]: 1 } : {}
  await engine.command(sql`CREATE DATABASE IF NOT EXISTS ${identifier(name)}${kind}`, { settings })
}
