import { resolveBackup } from '../core/backup-id.ts'
import { PermafrostError } from '../core/errors.ts'
import { parseNames } from '../core/parse-names.ts'
import { parseSelector } from '../core/selector.ts'
import type { Selector } from '../core/selector.ts'
import { displayName } from '../core/sql.ts'
import { formatBytes, plural } from '../core/units.ts'
import { listNative } from '../repository/native-backups.ts'
import type { NativeBackup } from '../repository/native-backups.ts'
import { exitCodeOf } from './command.ts'
import type { Composition } from './compose.ts'

// What the commands answer when a backup of the server's own is meant.

const PREFIX = 'native:'

export function isNative(name: string): boolean {
  return name.startsWith(PREFIX)
}

/** `backup` with `clickhouse.engine: native` */
export async function answerNativeBackup(
  c: Composition,
  options: { readonly selector: Selector; readonly tags: readonly string[]; readonly incremental: boolean },
): Promise<number> {
  const { backupNative } = await import('../operations/backup-native.ts')
  const to = c.config().config.clickhouse['native-to']
  if (to === undefined)
    throw new PermafrostError('CONFIG_INVALID', 'clickhouse.engine is native, and clickhouse.native-to says nothing', {
      hint: "clickhouse: { engine: native, native-to: 'disk:backups/permafrost' }",
    })
  const result = await backupNative(await c.context('write'), { ...options, to })
  const { native } = result
  c.output.answer(result, () => [
    `Native backup ${native.id}: ${plural(native.tables.length, 'table')}, ${formatBytes(native.bytes)}, by the server, in ${native.to}`,
    ...(native.base === undefined ? [] : [`  It cannot be restored without native backup ${native.base}`]),
    `  Put it back:  permafrost restore native:${native.id} --as <database>`,
  ])
  return exitCodeOf(result.findings)
}

/** `restore native:<id>` */
export async function answerNativeRestore(
  c: Composition,
  name: string,
  options: { readonly table: readonly string[]; readonly as: readonly string[]; readonly dryRun?: boolean },
): Promise<number> {
  const { prepareNativeRestore } = await import('../operations/restore-native.ts')
  const backups = await listNative(await c.repository('read'))
  const backup = resolveBackup(name.slice(PREFIX.length), backups)
  const prepared = await prepareNativeRestore({ ...c.base(), engine: await c.engine() }, backup, {
    selector: parseSelector(options.table),
    names: parseNames(options.as),
  })
  const { plan } = prepared
  if (!options.dryRun) await prepared.run()
  c.output.answer(plan, () => [
    options.dryRun
      ? `Restore of ${plan.backup} would do this:`
      : `Restored ${plural(plan.steps.length, 'table')} from ${plan.backup}`,
    ...plan.steps.map(({ target }) => `  ${displayName(target)}`),
  ])
  return 0
}

/** A native backup, and those that it cannot be restored without. */
export type ListedNative = NativeBackup & {
  readonly engine: 'native'
  /** Ids, nearest first; empty for one that is complete by itself. */
  readonly chain: readonly string[]
}

/** Native backups as `list` shows them. */
export function withChains(backups: readonly NativeBackup[]): readonly ListedNative[] {
  const byId = new Map(backups.map((backup) => [backup.id, backup]))
  const chainOf = ({ base }: NativeBackup): readonly string[] => {
    const found = base === undefined ? undefined : byId.get(base)
    return base === undefined ? [] : [base, ...(found ? chainOf(found) : [])]
  }
  return backups.map((backup) => ({ ...backup, engine: 'native', chain: chainOf(backup) }))
}
