import { toPermafrostError } from '../core/errors.ts'
import type { Finding } from '../core/events.ts'
import { POSTHOG_CHECKS } from '../core/posthog.ts'
import { displayName } from '../core/sql.ts'
import type { TableName } from '../core/sql.ts'
import type { Row } from '../engine/engine.ts'
import type { Context } from './context.ts'

/** What a restored PostHog answered. */
export interface PostHogAnswer {
  readonly title: string
  /** The statement that was run, for who wants to ask again. */
  readonly statement: string
  readonly rows: readonly Row[]
}

/**
 * Ask a restored PostHog what its people would look at first. What cannot be asked is a finding, and so are deletions that
 * the restore has undone.
 */
export async function checkPostHog(
  { engine, emit }: Pick<Context, 'engine' | 'emit'>,
  restored: readonly TableName[],
): Promise<readonly PostHogAnswer[]> {
  const answers: PostHogAnswer[] = []
  const find = (object: TableName, message: string): void => {
    const finding: Finding = { severity: 'warning', object: displayName(object), message }
    emit({ type: 'finding', ...finding })
  }
  for (const database of new Set(restored.map((table) => table.database)))
    for (const { title, tables, statement, pending } of POSTHOG_CHECKS) {
      const name = tables.find((one) => restored.some((table) => table.database === database && table.name === one))
      if (name === undefined) continue
      const table = { database, name }
      const asked = statement(table)
      try {
        const rows = await engine.query(asked)
        answers.push({ title, statement: asked.text, rows })
        if (pending !== undefined && rows.length > 0) find(table, pending)
      } catch (error) {
        find(table, `could not be checked (${title}): ${toPermafrostError(error).message}`)
      }
    }
  return answers
}
