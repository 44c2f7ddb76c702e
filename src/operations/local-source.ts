import { dirname } from 'node:path'
import type { PartEntry } from '../core/manifest.ts'
import { selectTables } from '../core/selector.ts'
import type { ServerInfo } from '../engine/engine.ts'
import { linkTree } from '../engine/link-tree.ts'
import { partPath } from '../engine/local-snapshots.ts'
import type { LocalPart, LocalSnapshot, LocalTable } from '../engine/local-snapshots.ts'
import type { Context } from './context.ts'
import type { RestoreSource, SourceTable } from './restore-source.ts'

/** Written where a part's identity would be: a local part is known by its place, and by the hash that the server computes. */
const NO_IDENTITY = '0'.repeat(64)

/** A local snapshot as the source of a restore: parts are linked, and no byte moves. */
export function localSource(
  { disk, signal }: Pick<Context, 'disk' | 'signal'>,
  snapshot: LocalSnapshot,
  info: Pick<ServerInfo, 'disks'>,
): RestoreSource {
  const places = new Map<PartEntry, string>()
  const entryOf = (part: LocalPart): PartEntry => {
    const encrypted = info.disks.find(({ name }) => name === part.disk)?.encrypted ?? false
    const { name, rows, bytes, hash } = part
    const entry: PartEntry = {
      name,
      rows,
      bytes,
      k: NO_IDENTITY,
      disk: part.disk,
      files: [],
      segments: [],
      ...(hash !== undefined && { hash }),
      ...(encrypted && { encrypted: true as const }),
    }
    places.set(entry, partPath(snapshot, part, info))
    return entry
  }
  return {
    name: `local:${snapshot.id}`,
    moves: false,
    read: async ({ selector }) => {
      const tables = snapshot.tables.map((local) => ({ ...local, ...local.table }))
      return {
        // FREEZE knows parts and nothing else.
        objects: [],
        server: [],
        offsets: [],
        mutations: [],
        clickhouse: snapshot.server.version,
        databases: snapshot.databases,
        tables: selectTables(selector, tables).map((table) => sourceTable(table, entryOf)),
      }
    },
    open: () => ({
      load: async (requests, onLoaded) => {
        const wanted = requests.flatMap((request) =>
          request.target === undefined ? [] : [{ ...request, target: request.target }],
        )
        for (const { part, target } of wanted) {
          signal.throwIfAborted()
          linkTree(places.get(part) ?? '', target, disk)
        }
        for (const directory of new Set(wanted.map(({ target }) => dirname(target)))) disk.syncTree(directory)
        for (const request of wanted) onLoaded(request, { authentic: true, problems: [] })
      },
      [Symbol.asyncDispose]: async () => undefined,
    }),
    keep: (work) => work(),
  }
}

function sourceTable({ table, at, parts }: LocalTable, entryOf: (part: LocalPart) => PartEntry): SourceTable {
  const { database, name, uuid, engine, schema } = table
  const partitions = [...Map.groupBy(parts, ({ partition }) => partition)].map(([id, list]) => ({
    id,
    ...totalsOf(list),
  }))
  const partsOf = async (ids: ReadonlySet<string>) => parts.filter(({ partition }) => ids.has(partition)).map(entryOf)
  const entry = { database, name, engine, ...totalsOf(parts), frozenAt: at, ...(uuid !== undefined && { uuid }) }
  return { entry, schema, partitions, parts: partsOf }
}

/** Parts, rows and bytes of a list of parts. */
export function totalsOf(parts: readonly LocalPart[]): Record<'parts' | 'rows' | 'bytes', number> {
  const sum = (count: (part: LocalPart) => number) => parts.reduce((total, part) => total + count(part), 0)
  return { parts: parts.length, rows: sum(({ rows }) => rows), bytes: sum(({ bytes }) => bytes) }
}
