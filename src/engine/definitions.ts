import type { ObjectEntry, ServerEntry, ServerKind } from '../core/definitions.ts'
import type { Finding } from '../core/events.ts'
import { displayName, identifier, sql } from '../core/sql.ts'
import type { Sql } from '../core/sql.ts'
import type { Table } from './catalog.ts'
import { keyOf } from './catalog.ts'
import { text } from './engine.ts'
import type { Engine, QueryOptions, Row, ServerInfo } from './engine.ts'

/** What a server shows in place of a password that this user may not see. */
const HIDDEN = '[HIDDEN]'
const SECRETS = 'format_display_secrets_in_show_and_select'
const ENCRYPTED_ONLY = 'only an encrypted repository takes passwords'

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
    showSecrets(can, secrets),
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
      : ENCRYPTED_ONLY,
  }
}

/** Tables of the server that list definitions of its own, with a column `create_query`. */
const LISTED = [
  // The others stand in the server's configuration, and cannot be made by SQL.
  { kind: 'named collection', table: 'named_collections', made: sql`source = 'SQL'` },
  { kind: 'resource', table: 'resources', made: sql`1` },
  { kind: 'workload', table: 'workloads', made: sql`1` },
  { kind: 'function', table: 'functions', made: sql`create_query != ''` },
] as const satisfies readonly { readonly kind: ServerKind; readonly table: string; readonly made: Sql }[]

/**
 * Functions, named collections, workloads and resources: what belongs to no database.
 *
 * @param secrets ask for them: only a repository that is encrypted may hold any
 */
export async function readServerEntries(
  engine: Pick<Engine, 'query'>,
  { can }: Pick<ServerInfo, 'can'>,
  { secrets }: { readonly secrets: boolean },
): Promise<{ readonly entries: readonly ServerEntry[]; readonly findings: readonly Finding[] }> {
  const known = LISTED.filter(({ table }) => can.hasColumn(table, 'create_query'))
  const found = await Promise.all(
    known.map(async ({ kind, table, made }) => {
      const rows = await engine.query(
        sql`SELECT * FROM system.${identifier(table)} WHERE ${made} ORDER BY name`,
        showSecrets(can, secrets),
      )
      return parentsFirst(rows).map((row) => ({
        kind,
        name: text(row, 'name'),
        statements: [text(row, 'create_query')],
      }))
    }),
  )
  const isHidden = ({ statements }: ServerEntry) => statements.some((statement) => statement.includes(HIDDEN))
  const entries = found.flat()
  return {
    entries: entries.filter((entry) => !isHidden(entry)),
    findings: entries.filter(isHidden).map((entry) => hiddenEntry(entry, secrets)),
  }
}

/** A server that hides one value of a named collection hides them all: nothing is left to make it of. */
function hiddenEntry({ kind, name }: ServerEntry, asked: boolean): Finding {
  return {
    severity: 'warning',
    object: `${kind} ${name}`,
    message: 'its values are not in the backup: it must be made again before a restore',
    hint: asked
      ? 'let the server show them: display_secrets_in_show_and_select in its configuration, and GRANT SHOW NAMED COLLECTIONS SECRETS'
      : ENCRYPTED_ONLY,
  }
}

/** A workload is made in another that is there. */
function parentsFirst(rows: readonly Row[]): readonly Row[] {
  const byName = new Map(rows.map((row) => [row['name'], row]))
  const depth = (row: Row | undefined): number => (row ? 1 + depth(byName.get(row['parent'] ?? '')) : 0)
  return rows.toSorted((a, b) => depth(a) - depth(b))
}

function showSecrets(can: ServerInfo['can'], wanted: boolean): QueryOptions {
  return wanted && can.hasSetting(SECRETS) ? { settings: { [SECRETS]: 1 } } : {}
}
