import { must } from './corrupt.ts'
import { readCreate } from './create-statement.ts'
import { plainEdits } from './engine-edits.ts'
import { applyEdits, tokenize } from './tokenizer.ts'
import type { Token } from './tokenizer.ts'
import type { Sql } from './sql.ts'

/** Settings that name disks of the server that the table came from. */
const PLACES: ReadonlySet<string> = new Set(['storage_policy', 'disk', 'table_disk'])

/** What may follow ENGINE, by its first word. */
const CLAUSES: ReadonlySet<string> = new Set([
  'ENGINE',
  'PARTITION',
  'PRIMARY',
  'ORDER',
  'SAMPLE',
  'TTL',
  'SETTINGS',
  'COMMENT',
])

/**
 * The CREATE statement of a MergeTree table, for a ClickHouse that stands alone and keeps what it is given: no replication, no
 * disks of another server, no TTL that would move or remove rows. The parts are the same.
 *
 * @example
 * localCreate("CREATE TABLE a.b (k UInt8) ENGINE = ReplicatedMergeTree('/t', '{replica}') ORDER BY k TTL d + 1", [])
 * // 'CREATE TABLE a.b (k UInt8) ENGINE = MergeTree ORDER BY k'
 *
 * @param settings assignments to add
 * @throws Corrupt when it is no such statement
 */
export function localCreate(statement: string, settings: readonly Sql[]): string {
  const create = readCreate(statement)
  must(create.engine && create.reader.at(create.engine.name)?.text.endsWith('MergeTree'), 'the table is no MergeTree')
  const [head = [], ...clauses] = cut(tokenize(applyEdits(create.tokens, plainEdits(create))))
  const find = (name: string) => clauses.find((clause) => wordOf(clause[0]) === name)
  const kept = clauses.filter((clause) => !['TTL', 'SETTINGS', 'COMMENT'].includes(wordOf(clause[0])))
  const assigned = splitAtCommas(find('SETTINGS')?.slice(1) ?? []).filter((one) => !PLACES.has(nameOf(one)))
  const all = [...assigned.map(textOf), ...settings.map(({ text }) => text)]
  return [
    textOf(head),
    ...kept.map(textOf),
    ...(all.length > 0 ? [`SETTINGS ${all.join(', ')}`] : []),
    textOf(find('COMMENT') ?? []),
  ]
    .filter((text) => text !== '')
    .join(' ')
}

/** Cut a statement before each of its clauses: words outside of parentheses that no expression can hold there. */
function cut(tokens: readonly Token[]): readonly (readonly Token[])[] {
  const pieces: Token[][] = [[]]
  let depth = 0
  let before: Token | undefined
  for (const token of tokens) {
    if (token.text === '(') depth++
    if (token.text === ')') depth--
    const begins = pieces.length > 1 || wordOf(token) === 'ENGINE'
    const inExpression = before !== undefined && (wordOf(before) === 'BY' || /^[,=.+*/-]$/.test(before.text))
    if (depth === 0 && begins && !inExpression && CLAUSES.has(wordOf(token))) pieces.push([])
    pieces.at(-1)?.push(token)
    if (token.kind !== 'space') before = token
  }
  return pieces
}

function splitAtCommas(tokens: readonly Token[]): readonly (readonly Token[])[] {
  const pieces: Token[][] = []
  let depth = 0
  for (const token of tokens) {
    if (token.text === '(') depth++
    if (token.text === ')') depth--
    if (depth === 0 && token.text === ',') pieces.push([])
    else if (pieces.length === 0) pieces.push([token])
    else pieces.at(-1)?.push(token)
  }
  return pieces
}

function nameOf(assignment: readonly Token[]): string {
  return assignment.find(({ kind }) => kind !== 'space')?.text ?? ''
}

function wordOf(token: Token | undefined): string {
  return token?.kind === 'word' ? token.text.toUpperCase() : ''
}

function textOf(tokens: readonly Token[]): string {
  return tokens
    .map(({ text }) => text)
    .join('')
    .trim()
}
