import { displayName } from '../../src/core/sql.ts'
import { formatBytes, plural } from '../../src/core/units.ts'
import { href } from '../route.ts'
import type { Diff } from '../types.ts'

/** What became of the tables of one backup in the next. */
export function Changes({ diff: { before, tables } }: { readonly diff: Diff }) {
  const changed = tables.filter(({ change }) => change !== 'same')
  if (before === 'nothing') return <p class="dim">It is the first of its host and tables: all of it is new.</p>
  if (changed.length === 0)
    return (
      <p class="dim">
        Nothing changed since <a href={href('backups', before)}>{before}</a>.
      </p>
    )
  return (
    <>
      <p class="dim">
        Compared with <a href={href('backups', before)}>{before}</a>
        {tables.length > changed.length && `; ${plural(tables.length - changed.length, 'table')} did not change`}.
      </p>
      <ul class="changes">
        {changed.map((table) => (
          <li key={displayName(table)}>
            <strong>{displayName(table)}</strong> {table.change}
            {table.renamedFrom && `, was ${displayName(table.renamedFrom)}`}
            <span class="dim">
              {' '}
              {signed(table.rows, plural(Math.abs(table.rows), 'row'))},{' '}
              {signed(table.bytes, formatBytes(Math.abs(table.bytes)))}
              {table.partitions.length > 0 && `, in ${plural(table.partitions.length, 'partition')}`}
            </span>
            {table.definition && (
              <pre>
                {table.definition.removed.map((line) => `- ${line}\n`)}
                {table.definition.added.map((line) => `+ ${line}\n`)}
              </pre>
            )}
          </li>
        ))}
      </ul>
    </>
  )
}

function signed(value: number, text: string): string {
  return value < 0 ? `−${text}` : `+${text}`
}
