import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** Loopback or not: a ClickHouse without a password is open to every user of the machine. */
const USER = 'permafrost'
/** Has the same password and may read tables, and nothing else: no file, no address, no change. */
export const READER = 'reader'

/** What the engine's own first statement needs, and nothing else: it runs as `default`, which cannot have a password. */
const DEFAULT_GRANTS = ['SYSTEM LISTEN ON *.*', 'TABLE ENGINE ON File', 'SELECT, CREATE TABLE ON default.parent']

export interface EmbeddedConfig {
  /** ClickHouse's configuration file. */
  readonly file: string
  readonly user: string
  readonly password: string
}

export type Flavor = 'server' | 'bridge'

/**
 * Write a configuration for the embedded engine: one user with this password, who may come from this machine only. The bridge
 * checks the password itself and runs every statement as `default`.
 */
export function writeEmbeddedConfig(
  directory: string,
  { password, flavor }: { readonly password: string; readonly flavor: Flavor },
): EmbeddedConfig {
  const users = join(directory, 'users.xml')
  const file = join(directory, 'config.xml')
  writeFileSync(users, usersXml(createHash('sha256').update(password).digest('hex')), { mode: 0o600 })
  writeFileSync(
    file,
    `<clickhouse>
  ${flavor === 'server' ? `<users_config>${escapeXml(users)}</users_config>` : ''}
  <enable_system_unfreeze>true</enable_system_unfreeze>
</clickhouse>
`,
    { mode: 0o600 },
  )
  return { file, user: USER, password }
}

function usersXml(passwordHash: string): string {
  const grants = DEFAULT_GRANTS.map((grant) => `<query>GRANT ${grant}</query>`).join('')
  const common = '<networks><ip>127.0.0.1</ip></networks><profile>default</profile><quota>default</quota>'
  return `<clickhouse>
  <users>
    <${USER}><password_sha256_hex>${passwordHash}</password_sha256_hex>${common}</${USER}>
    <${READER}><password_sha256_hex>${passwordHash}</password_sha256_hex>${common.replace('>default<', '>reader<')}<grants><query>GRANT SELECT ON *.*</query></grants></${READER}>
    <default><password></password>${common}<grants>${grants}</grants></default>
  </users>
  <profiles><default/><reader><readonly>2</readonly></reader></profiles>
  <quotas><default/></quotas>
</clickhouse>
`
}

function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
}
