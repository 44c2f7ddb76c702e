import type { ObjectEntry } from '../core/definitions.ts'
import { hasCode } from '../core/errors.ts'
import { displayName, identifier, sql, trusted } from '../core/sql.ts'
import { createTable } from '../engine/create.ts'
import type { DisposableEngine } from '../engine/disposable.ts'
import { embeddedReader } from '../engine/embedded.ts'
import type { Value } from '../engine/engine.ts'
import type { DrilledCheck } from '../repository/attestations.ts'
import type { Context } from './context.ts'

interface Questions {
  readonly views: readonly ObjectEntry[]
  readonly checks: readonly string[]
}

type CheckContext = Pick<Context, 'random' | 'signal' | 'emit'>

/** Ask what was restored the user's own questions; who asks may read and nothing else. */
export async function askChecks(
  ctx: CheckContext,
  engine: DisposableEngine,
  { views, checks }: Questions,
): Promise<readonly DrilledCheck[]> {
  if (checks.length === 0) return []
  await makeViews(ctx, engine, views)
  await using reader = embeddedReader({ path: engine.path, random: ctx.random })
  const results: DrilledCheck[] = []
  for (const check of checks) {
    try {
      const [row] = await reader.query(trusted(check), { signal: ctx.signal, settings: { readonly: 2 } })
      const passed = row !== undefined && Object.values(row).every(isTrue)
      const said = row === undefined ? 'no row' : Object.values(row).join(', ')
      results.push(
        passed ? { sql: check, result: 'ok' } : { sql: check, result: 'failed', message: `returned ${said}` },
      )
    } catch (error) {
      // Also when it wanted more than to read.
      if (!hasCode(error, 'ENGINE_REFUSED') && !hasCode(error, 'UNAUTHORIZED')) throw error
      results.push({ sql: check, result: 'failed', message: error.message })
    }
  }
  return results
}

/** Plain views write nothing, and the checks may ask them. One that needs what is not here stays away. */
async function makeViews(
  { emit }: CheckContext,
  engine: DisposableEngine,
  objects: readonly ObjectEntry[],
): Promise<void> {
  const info = await engine.describe()
  for (const { database, name, create } of objects.filter((object) => object.engine === 'View')) {
    await engine.command(sql`CREATE DATABASE IF NOT EXISTS ${identifier(database)}`)
    await createTable(engine, info, { create, as: { database, name } }).catch((error: unknown) => {
      if (!hasCode(error, 'ENGINE_REFUSED')) throw error
      const message = `the view is not in the drill: ${error.message}`
      emit({ type: 'finding', severity: 'note', object: displayName({ database, name }), message })
    })
  }
}

function isTrue(value: Value): boolean {
  return value !== null && !['', '0', 'false'].includes(String(value))
}
