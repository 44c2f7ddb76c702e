import { PermafrostError } from '../core/errors.ts'
import { nativeTarget } from '../core/native-target.ts'
import { targetOf } from '../core/restore-names.ts'
import type { NameWish } from '../core/restore-names.ts'
import { selectTables } from '../core/selector.ts'
import type { Selector } from '../core/selector.ts'
import { displayName, join, sql } from '../core/sql.ts'
import type { TableName } from '../core/sql.ts'
import { plural } from '../core/units.ts'
import { keyOf, readCatalog, readDatabases } from '../engine/catalog.ts'
import { createDatabase } from '../engine/create.ts'
import { runNative } from '../engine/run-native.ts'
import type { NativeBackup } from '../repository/native-backups.ts'
import type { Context } from './context.ts'

export interface NativeRestorePlan {
  readonly backup: string
  readonly databases: readonly string[]
  readonly steps: readonly { readonly source: TableName; readonly target: TableName }[]
}

export interface PreparedNativeRestore {
  readonly plan: NativeRestorePlan
  run(): Promise<void>
}

/**
 * Plan a restore by the server itself. What exists already is a conflict.
 *
 * @throws NOT_FOUND, CONFLICT
 */
export async function prepareNativeRestore(
  { engine, random, signal, emit }: Pick<Context, 'engine' | 'random' | 'signal' | 'emit'>,
  backup: NativeBackup,
  { selector, names }: { readonly selector: Selector; readonly names: NameWish },
): Promise<PreparedNativeRestore> {
  const steps = selectTables(selector, backup.tables).map((source) => ({ source, target: targetOf(source, names) }))
  if (steps.length === 0) throw new PermafrostError('NOT_FOUND', `no table of native backup ${backup.id} is selected`)
  const info = await engine.describe()
  const existing = new Set((await readCatalog(engine, info)).map(keyOf))
  const taken = steps.filter(({ target }) => existing.has(keyOf(target))).map(({ target }) => displayName(target))
  if (taken.length > 0)
    throw new PermafrostError(
      'CONFLICT',
      `${taken[0]} exists already${taken.length > 1 ? `, and ${taken.length - 1} more` : ''}`,
      {
        hint: ['restore beside it:  --as <database>', 'or restore less:  -t db.table'],
        detail: { conflicts: taken },
      },
    )
  const known = new Set((await readDatabases(engine)).map(({ name }) => name))
  const needed = [...new Set(steps.map(({ target }) => target.database))]
  const plan = { backup: `native:${backup.id}`, databases: needed.filter((name) => !known.has(name)), steps }
  return {
    plan,
    run: async () => {
      for (const name of plan.databases)
        await createDatabase(engine, info, { name, source: backup.databases.find((one) => one.name === name) })
      emit({ type: 'phase', phase: 'fetch', message: `the server restores ${plural(steps.length, 'table')}` })
      const id = `permafrost-restore-${Buffer.from(random(8)).toString('hex')}`
      const tables = join(steps.map(({ source, target }) => sql`TABLE ${source} AS ${target}`))
      await runNative(engine, {
        id,
        statement: sql`RESTORE ${tables} FROM ${nativeTarget(backup.to, backup.id)} SETTINGS id = ${id}, async = 1`,
        signal,
      })
    },
  }
}
