import { PermafrostError } from './errors.ts'
import type { NameWish, Rename } from './restore-names.ts'
import { parseName } from './selector.ts'

/**
 * Read what `--as` was given: `db`, `db.table`, and any number of `from=to`, where both are databases or both are tables.
 *
 * @throws USAGE
 */
export function parseNames(texts: readonly string[]): NameWish {
  const renames: Rename[] = []
  let as: NameWish['as']
  for (const text of texts) {
    const [from, to, ...more] = splitAtEquals(text)
    if (from === undefined || more.length > 0) throw unreadable(text)
    if (to !== undefined) renames.push(renameOf(text, from, to))
    else if (as) throw new PermafrostError('USAGE', 'one --as only can be without =', { hint: '--as posthog=other' })
    else as = parseName(from)
  }
  return { ...(as && { as }), ...(renames.length > 0 && { renames }) }
}

function renameOf(text: string, from: string, to: string): Rename {
  const rename = { from: parseName(from), to: parseName(to) }
  if ((rename.from.name === undefined) !== (rename.to.name === undefined)) throw unreadable(text)
  return rename
}

/** Names in backticks may hold an equals sign. */
function splitAtEquals(text: string): readonly string[] {
  const pieces = ['']
  for (const [token] of text.matchAll(/`(?:\\.|[^`\\])+`|./gsu))
    if (token === '=') pieces.push('')
    else pieces[pieces.length - 1] += token
  return pieces
}

function unreadable(text: string): PermafrostError {
  return new PermafrostError('USAGE', `--as ${text} cannot be read`, {
    hint: 'write db, db.table, db=other or db.table=other.table',
  })
}
