import { editOf } from './create-statement.ts'
import type { CreateStatement } from './create-statement.ts'
import type { Reader, Written } from './reader.ts'
import { sql } from './sql.ts'
import type { TableName } from './sql.ts'
import { meaningOf } from './tokenizer.ts'
import type { Edit } from './tokenizer.ts'

/** What becomes of an engine. */
export interface EngineRewrite {
  readonly to: TableName
  /** `Replicated…MergeTree` becomes `…MergeTree`. */
  readonly plain?: boolean | undefined
  /** Where the replicas of a table meet; `{database}` and `{table}` stand for its new name. */
  readonly replicaPath?: string | undefined
  /** In paths, the table's old UUID becomes its new one: two tables must not meet at one path. */
  readonly uuids?: readonly [from: string, to: string] | undefined
  /** The consumer group of a queue. */
  readonly group?: string | undefined
}

/** Path and replica in ZooKeeper, as they stand in a statement: with their macros. */
export interface ReplicaPath {
  readonly path: string
  readonly replica: string
}

/** The edits of the engine's clause, and of the settings behind it. */
export function engineEdits(create: CreateStatement, rewrite: EngineRewrite): readonly Edit[] {
  const { reader, engine } = create
  const name = engine && reader.at(engine.name)
  if (!engine || !name) return []
  if (/^(Replicated|Shared)\w*MergeTree$/.test(name.text))
    return rewrite.plain ? plainEdits(create) : pathEdits(create, rewrite)
  return rewrite.group === undefined ? [] : groupEdits(create, rewrite.group)
}

/** The engine's name without what ZooKeeper is for. */
export function plainEngine(engine: string): string {
  return engine.replace(/^(Replicated|Shared)(?=\w*MergeTree$)/, '')
}

/** Where the replicas of this table meet, if its statement says so. */
export function replicaPathOf(create: CreateStatement): ReplicaPath | undefined {
  const [path, replica] = pathArguments(create)
  if (!path?.names[0] || !replica?.names[0]) return undefined
  return { path: meaningOf(path.names[0]), replica: meaningOf(replica.names[0]) }
}

type Engine = NonNullable<CreateStatement['engine']>

/** The first two arguments, when both are strings: without, the server's own default is meant. */
function pathArguments({ reader, engine }: CreateStatement): readonly Written[] {
  if (!engine || !/^(Replicated|Shared)\w*MergeTree$/.test(reader.at(engine.name)?.text ?? '')) return []
  const [path, replica] = engine.arguments
  return path && replica && isLiteral(path) && isLiteral(replica) ? [path, replica] : []
}

/** Without what ZooKeeper is for. */
export function plainEdits(create: CreateStatement): readonly Edit[] {
  const { reader, engine } = create
  if (!engine) return []
  const plain = plainEngine(reader.at(engine.name)?.text ?? '')
  const [path, replica] = pathArguments(create)
  const [, , third] = engine.arguments
  const edits = [editOf(reader, { from: engine.name, to: engine.name + 1 }, plain)]
  if (!path || !replica) return edits
  if (!third) return [...edits, editOf(reader, { from: engine.name + 1, to: replica.to + 1 }, '')]
  const index = (position: number) => reader.at(position)?.index ?? 0
  return [...edits, { from: index(path.from), to: index(third.from), text: '' }]
}

function pathEdits(create: CreateStatement, { to, replicaPath, uuids }: EngineRewrite): readonly Edit[] {
  const { reader, engine } = create
  const [path] = pathArguments(create)
  // `{table}` would be the name that a restore gives to a table while it is filled.
  const wanted = replicaPath?.replaceAll('{database}', () => to.database).replaceAll('{table}', () => to.name)
  if (!path) {
    if (wanted === undefined || !engine) return []
    return withPath(create, engine, sql`${wanted}, '{replica}'`.text)
  }
  const written = path.names[0] ? meaningOf(path.names[0]) : ''
  const moved = wanted ?? (uuids ? written.replaceAll(...uuids) : written)
  return moved === written ? [] : [editOf(reader, path, sql`${moved}`.text)]
}

function withPath({ reader }: CreateStatement, engine: Engine, path: string): readonly Edit[] {
  const after = reader.at(engine.name)?.index ?? 0
  const [first] = engine.arguments
  if (!reader.symbol(engine.name + 1, '(')) return [{ from: after + 1, to: after + 1, text: `(${path})` }]
  const at = reader.at(engine.name + 1)?.index ?? 0
  return [{ from: at + 1, to: at + 1, text: first ? `${path}, ` : path }]
}

/** Where each engine has its group, when it is an argument; else it is a setting. */
const GROUPS: Readonly<Record<string, { readonly setting: string; readonly argument?: number }>> = {
  Kafka: { setting: 'kafka_group_name', argument: 2 },
  NATS: { setting: 'nats_queue_group' },
}

/** Can this queue be read in a group of another name? */
export function hasGroup(create: CreateStatement): boolean {
  return groupEdits(create, '').length > 0
}

function groupEdits({ reader, engine }: CreateStatement, group: string): readonly Edit[] {
  const known = GROUPS[engine ? (reader.at(engine.name)?.text ?? '') : '']
  if (!engine || !known) return []
  const literal = sql`${group}`.text
  const setting = settingAt(reader, { from: engine.name, name: known.setting })
  if (setting !== undefined) return [editOf(reader, { from: setting, to: setting + 1 }, literal)]
  // With fewer than four arguments, the first is a named collection.
  const written = engine.arguments.length >= 4 ? engine.arguments[known.argument ?? Infinity] : undefined
  return written && isLiteral(written) ? [editOf(reader, written, literal)] : []
}

/** Position of the string that a setting is given. */
function settingAt(
  reader: Reader,
  { from, name }: { readonly from: number; readonly name: string },
): number | undefined {
  for (let at = from; at < reader.length; at++)
    if (reader.at(at)?.text === name && reader.symbol(at + 1, '=') && reader.at(at + 2)?.kind === 'string')
      return at + 2
  return undefined
}

function isLiteral({ names }: Written): boolean {
  return names.length === 1 && names[0]?.kind === 'string'
}
