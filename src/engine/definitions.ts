import type { ObjectEntry, ServerEntry } from '../core/definitions.ts'
import type { Finding } from '../core/events.ts'
import { displayName, identifier, sql } from '../core/sql.ts'
import type { Table } from './catalog.ts'
import { keyOf } from './catalog.ts'
import { text } from './engine.ts'
import type { Engine, ServerInfo } from './engine.ts'

/** What a server shows in place of a password that this user may not see. */
const HIDDEN = '[HIDDEN]'
const SECRETS = 'format_display_secrets_in_show_and_select'

/**
 * The CREATE statements of tables, with the passwords in them where the server shows them to this user.
 *
 * @param secrets ask for them: only a repository that is encrypted may hold any
 */
export async function readObjects(
  engine: Pick<Engine, 'query'>,
  { can }: Pick<ServerInfo, 'can'>,
  { tables, secrets }: { readonly tables: readonly Table[]; readonly secrets: boolean },
): Promise<{ readonly objects: readonly ObjectEntry[]; readonly findings: readonly Finding[] }> {
  if (tables.length === 0) return { objects: [], findings: [] }
  const rows = await engine.query(
    sql`SELECT database, name, create_table_query FROM system.tables WHERE database IN ${[...new Set(tables.map(({ database }) => database))]}`,
    secrets && can.hasSetting(SECRETS) ? { settings: { [SECRETS]: 1 } } : {},
  )
  const shown = new Map(
    rows.map((row) => [
      keyOf({ database: text(row, 'database'), name: text(row, 'name') }),
      text(row, 'create_table_query'),
    ]),
  )
  const objects = tables.map((table): ObjectEntry => ({
    database: table.database,
    name: table.name,
    ...(table.uuid && { uuid: table.uuid }),
    engine: table.engine,
    create: shown.get(keyOf(table)) ?? table.schema.create,
  }))
  const hidden = objects.filter(({ create }) => create.includes(HIDDEN))
  return { objects, findings: hidden.map((one) => hiddenFinding(one, secrets)) }
}

function hiddenFinding(table: ObjectEntry, asked: boolean): Finding {
  return {
    severity: 'warning',
    object: displayName(table),
    message: 'a password in its definition is not in the backup: it must be set again after a restore',
    hint: asked
      ? 'let the server show it: display_secrets_in_show_and_select in its configuration, and GRANT displaySecretsInShowAndSelect'
      : 'only an encrypted repository takes passwords',
  }
}

/** Tables of the server that list definitions of its own, with a column `create_query`. */
const LISTED = [
  { kind: 'function', table: 'functions' },
  { kind: 'workload', table: 'workloads' },
  { kind: 'resource', table: 'resources' },
] as const

/** Functions, workloads and resources: what belongs to no database. */
export async function readServerEntries(
  engine: Pick<Engine, 'query'>,
  { can }: Pick<ServerInfo, 'can'>,
): Promise<readonly ServerEntry[]> {
  const found = await Promise.all(
    LISTED.map(async ({ kind, table }): Promise<readonly ServerEntry[]> => {
      if (!can.hasColumn(table, 'create_query')) return []
      const rows = await engine.query(
        sql`SELECT name, create_query FROM system.${identifier(table)} WHERE create_query != '' ORDER BY name`,
      )
      return rows.map((row) => ({ kind, name: text(row, 'name'), statements: [text(row, 'create_query')] }))
    }),
  )
  return found.flat()
}
