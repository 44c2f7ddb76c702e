import type { ServerEntry, ServerKind } from '../core/definitions.ts'
import type { Finding } from '../core/events.ts'
import { hasCode } from '../core/errors.ts'
import { identifier, sql, trusted } from '../core/sql.ts'
import type { Sql } from '../core/sql.ts'
import { text } from './engine.ts'
import type { Engine, QueryOptions, Row, ServerInfo } from './engine.ts'

/** In the order in which they can be made. */
export const ACCESS = [
  { kind: 'settings profile', table: 'settings_profiles', words: 'SETTINGS PROFILE' },
  { kind: 'role', table: 'roles', words: 'ROLE' },
  { kind: 'user', table: 'users', words: 'USER' },
  { kind: 'quota', table: 'quotas', words: 'QUOTA' },
  { kind: 'row policy', table: 'row_policies', words: 'ROW POLICY' },
] as const satisfies readonly { readonly kind: ServerKind; readonly table: string; readonly words: string }[]

type Access = (typeof ACCESS)[number]

/** What stands in users.xml belongs to the server's configuration, and cannot be made by SQL. */
const XML = 'users_xml'
const SECRETS = 'format_display_secrets_in_show_and_select'

/** Users, roles, policies, quotas and profiles that were made by SQL, as the statements that make them. */
export async function readAccess(
  engine: Pick<Engine, 'query'>,
  { can }: Pick<ServerInfo, 'can'>,
  { secrets }: { readonly secrets: boolean },
): Promise<{ readonly entries: readonly ServerEntry[]; readonly findings: readonly Finding[] }> {
  const options: QueryOptions = secrets && can.hasSetting(SECRETS) ? { settings: { [SECRETS]: 1 } } : {}
  const known = ACCESS.filter(({ table }) => can.hasColumn(table, 'storage'))
  try {
    const found = await Promise.all(
      known.map(async (access) => {
        const rows = await engine.query(
          sql`SELECT * FROM system.${identifier(access.table)} WHERE storage != ${XML} ORDER BY name`,
        )
        return Promise.all(
          rows.map(async (row) => ({
            kind: access.kind,
            name: text(row, 'name'),
            statements: await statementsOf(engine, { access, row, options }),
          })),
        )
      }),
    )
    return { entries: found.flat(), findings: [] }
  } catch (error) {
    if (!hasCode(error, 'UNAUTHORIZED')) throw error
    const message = 'users, roles and policies are not in the backup: this user may not see them'
    return {
      entries: [],
      findings: [{ severity: 'note', object: 'access', message, hint: 'GRANT SHOW ACCESS ON *.*' }],
    }
  }
}

/** Names that are taken, those of users.xml among them. */
export async function accessNames(
  engine: Pick<Engine, 'query'>,
  { can }: Pick<ServerInfo, 'can'>,
): Promise<readonly Pick<ServerEntry, 'kind' | 'name'>[]> {
  const found = await Promise.all(
    ACCESS.filter(({ table }) => can.hasColumn(table, 'storage')).map(async ({ kind, table }) => {
      const rows = await engine.query(sql`SELECT name FROM system.${identifier(table)}`)
      return rows.map((row) => ({ kind, name: text(row, 'name') }))
    }),
  )
  return found.flat()
}

interface Shown {
  readonly access: Access
  readonly row: Row
  readonly options: QueryOptions
}

async function statementsOf(
  engine: Pick<Engine, 'query'>,
  { access, row, options }: Shown,
): Promise<readonly string[]> {
  const name = identifier(text(row, 'name'))
  const show = (statement: Sql) => engine.query(statement, options)
  if (access.kind === 'row policy') {
    const table = { database: text(row, 'database'), name: text(row, 'table') }
    return values(await show(sql`SHOW CREATE ROW POLICY ${identifier(text(row, 'short_name'))} ON ${table}`))
  }
  const create = values(await show(sql`SHOW CREATE ${trusted(access.words)} ${name}`))
  const granted = access.kind === 'user' || access.kind === 'role'
  return granted ? [...create, ...values(await show(sql`SHOW GRANTS FOR ${name}`))] : create
}

function values(rows: readonly Row[]): readonly string[] {
  return rows.map((row) => String(Object.values(row)[0]))
}
