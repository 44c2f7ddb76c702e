import type { ServerEntry } from './definitions.ts'
import { PermafrostError } from './errors.ts'
import { readerOf } from './reader.ts'
import { applyEdits, lexemes, tokenize } from './tokenizer.ts'

/** What becomes of a user, a role or a policy whose name is taken. */
export type AccessWish = 'fail' | 'skip' | 'replace'

/**
 * The statements that bring users, roles, policies, quotas and profiles back: what makes them first, what is granted to them last.
 *
 * @throws CONFLICT when a name is taken, and that is not wished otherwise
 */
export function planAccess(
  entries: readonly ServerEntry[],
  { there, wish }: { readonly there: readonly Pick<ServerEntry, 'kind' | 'name'>[]; readonly wish: AccessWish },
): readonly string[] {
  const isThere = (entry: ServerEntry) => there.some(({ kind, name }) => kind === entry.kind && name === entry.name)
  const taken = entries.filter(isThere)
  const [first] = taken
  if (first && wish === 'fail') {
    const more = taken.length > 1 ? `, and ${taken.length - 1} more` : ''
    throw new PermafrostError('CONFLICT', `${first.kind} ${first.name} exists already${more}`, {
      hint: ['leave those that exist as they are:  --access skip', 'or make them as in the backup:  --access replace'],
    })
  }
  const made = wish === 'skip' ? entries.filter((entry) => !isThere(entry)) : entries
  const [creates, grants] = [
    made.map(({ statements }) => statements[0]),
    made.map(({ statements }) => statements.slice(1)),
  ]
  return [
    ...creates.flatMap((create) => (create === undefined ? [] : [wish === 'replace' ? orReplace(create) : create])),
    ...grants.flat(),
  ]
}

/** `CREATE USER x …` as `CREATE USER OR REPLACE x …` */
export function orReplace(statement: string): string {
  const tokens = tokenize(statement)
  const reader = readerOf(lexemes(tokens))
  const kind = reader.words(1, 'ROW', 'POLICY') || reader.words(1, 'SETTINGS', 'PROFILE') ? 3 : 2
  const at = reader.at(kind)?.index ?? tokens.length
  return applyEdits(tokens, [{ from: at, to: at, text: 'OR REPLACE ' }])
}
