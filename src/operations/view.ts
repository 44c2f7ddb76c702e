import { tokenize } from '../core/tokenizer.ts'
import { PermafrostError, toPermafrostError } from '../core/errors.ts'
import type { BackupSummary, TableEntry } from '../core/manifest.ts'
import { selects, selectTables } from '../core/selector.ts'
import type { PartitionChoice, Selector } from '../core/selector.ts'
import { displayName, identifier, sql, trusted } from '../core/sql.ts'
import { formatBytes } from '../core/units.ts'
import { isMergeTree, keyOf } from '../engine/catalog.ts'
import { createTable } from '../engine/create.ts'
import { CLICKHOUSE, isClickHouse } from '../engine/clickhouse-error.ts'
import { disposableEngine } from '../engine/disposable.ts'
import type { DisposableEngine } from '../engine/disposable.ts'
import { embeddedReader } from '../engine/embedded.ts'
import type { Engine } from '../engine/engine.ts'
import { openGateway } from '../engine/gateway.ts'
import type { Gateway } from '../engine/gateway.ts'
import { readContents, readPartitions, readSchemas } from '../repository/backups.ts'
import { partReader } from '../repository/part-reader.ts'
import type { PartReader } from '../repository/part-reader.ts'
import type { Context } from './context.ts'
import { mountTable } from './mount-table.ts'
import type { Mount } from './mount-table.ts'
import { withPin } from './pin.ts'

/** A backup in a view. */
export interface ViewedBackup {
  readonly backup: BackupSummary
  /** With several backups, the end of its databases' names: `posthog_before`. */
  readonly name?: string
}

export interface ViewOptions {
  readonly backups: readonly ViewedBackup[]
  readonly selector: Selector
  /** Only these partitions of their tables. */
  readonly partitions: readonly PartitionChoice[]
  /** Where the engine may keep what it needs for the while. */
  readonly scratch: string
  /** Most bytes to fetch out of the repository. */
  readonly mostFetched?: number | undefined
  /** Where the gateway listens, for others than our own engine. */
  readonly listen?: { readonly host: string; readonly port: number } | undefined
}

export interface QueryLimits {
  /** ClickHouse's name of it. */
  readonly format: string
  /** Rows of the answer; more are an error, and never left out in silence. */
  readonly rows?: number | undefined
  /** Bytes that the query may use. */
  readonly memory?: number | undefined
}

/** Backups that can be asked. */
export interface View {
  /** The answer as it comes. @throws DAMAGED when a byte that it needs is missing or wrong: it is then no answer */
  ask(statement: string, limits: QueryLimits): AsyncGenerator<Uint8Array>
  /** Statements that make the tables in another ClickHouse. */
  statements(): Promise<readonly string[]>
  /** Bytes fetched so far, and stored bytes of the tables that were opened. */
  fetched(): { readonly fetched: number; readonly stored: number }
}

type ViewContext = Omit<Context, 'engine'>

/** Bytes of opened frames that are kept. Columns of many parts are read side by side, a frame of each at a time. */
const CACHE = 128 * 1024 * 1024

/**
 * Look into backups without restoring them: their parts are shown to an engine of our own as they lie in the repository, and
 * what a query touches is fetched, decrypted and checked when it is touched. Nothing can be changed. A table is opened when a
 * statement names it.
 */
export async function withView<T>(
  ctx: ViewContext,
  options: ViewOptions,
  work: (view: View) => Promise<T>,
): Promise<T> {
  const pinned = options.backups.reduce<() => Promise<T>>(
    (inner, { backup }) =>
      () =>
        withPin(ctx, { backup: backup.id, reason: 'query' }, inner),
    () => look(ctx, options, work),
  )
  return pinned()
}

async function look<T>(ctx: ViewContext, options: ViewOptions, work: (view: View) => Promise<T>): Promise<T> {
  const { repository, random, signal } = ctx
  const broken = new AbortController()
  let fetched = 0
  const onFetch = (bytes: number): void => {
    fetched += bytes
    const { mostFetched = Infinity } = options
    if (fetched <= mostFetched) return
    throw new PermafrostError(
      'ENGINE_REFUSED',
      `the query needs more than ${formatBytes(mostFetched)} of the repository`,
      {
        hint: 'ask for fewer columns or partitions, or raise --max-fetch',
      },
    )
  }
  const reader = partReader(repository, { memory: CACHE, signal, onFetch })
  await using gateway = await openGateway({ random, ...options.listen, onFailure: (error) => broken.abort(error) })
  const tables = await tablesOf(ctx, options)
  const mounts = new Map<ViewedTable, Promise<Mount>>()
  const mount = (table: ViewedTable): Promise<Mount> => {
    const found = mounts.get(table) ?? mountOne(table, { repository, reader, gateway })
    mounts.set(table, found)
    return found
  }
  let engine: Promise<ViewEngine> | undefined
  const databases = new Set(tables.map(({ as }) => as.database))
  const open = () => (engine ??= openEngine(ctx, { scratch: options.scratch, databases }))
  let stored = 0
  try {
    return await work({
      statements: async () => statementsOf(await Promise.all(tables.map(mount))),
      fetched: () => ({ fetched, stored }),
      ask: async function* ask(statement, limits) {
        const asking = AbortSignal.any([signal, broken.signal])
        try {
          const running = await open()
          for (const table of namedIn(statement, tables)) {
            const one = await mount(table)
            if (await running.show(one, asking)) stored += one.stored
          }
          yield* running.reader.stream(trusted(statement), {
            format: limits.format,
            signal: asking,
            settings: settingsOf(limits),
          })
        } catch (error) {
          if (broken.signal.aborted) throw toPermafrostError(broken.signal.reason)
          throw explained(error, tables)
        }
        // Rows that were sent before the damage was met are not an answer.
        if (broken.signal.aborted) throw toPermafrostError(broken.signal.reason)
      },
    })
  } finally {
    await (await engine?.catch(() => undefined))?.[Symbol.asyncDispose]()
  }
}

interface ViewedTable {
  readonly entry: TableEntry
  readonly as: TableEntry
  readonly key: string
  readonly options: ViewOptions
}

async function tablesOf({ repository }: ViewContext, options: ViewOptions): Promise<readonly ViewedTable[]> {
  const tables: ViewedTable[] = []
  for (const { backup, name } of options.backups) {
    const { tables: all } = await readContents(repository, backup.id)
    const chosen = selectTables(options.selector, all).filter((entry) => isMergeTree(entry))
    for (const entry of chosen) {
      const as = name === undefined ? entry : { ...entry, database: `${entry.database}_${name}` }
      tables.push({ entry, as, key: `t${tables.length}`, options })
    }
  }
  return tables
}

async function mountOne(
  { entry, as, key, options }: ViewedTable,
  ctx: { readonly repository: Context['repository']; readonly reader: PartReader; readonly gateway: Gateway },
): Promise<Mount> {
  const [[schema], [partitions = []]] = await Promise.all([
    readSchemas(ctx.repository, [entry]),
    readPartitions(ctx.repository, [entry]),
  ])
  if (!schema) throw new PermafrostError('INTERNAL', `${displayName(entry)} has no definition`)
  const choices = options.partitions.filter((choice) => selects(choice.table, entry))
  const wanted = choices.length === 0 ? partitions : partitions.filter(({ id }) => choices.some((one) => one.id === id))
  return mountTable({ entry, schema, partitions: wanted, as: { database: as.database, name: as.name }, key }, ctx)
}

/** Words of statements that list tables, without naming one. */
const LISTS = /^(?:show|tables|columns|parts)$/i

/**
 * The tables that a statement may mean: whose name is a word of it; all of them when it takes them by a pattern, or lists what
 * there is. One too many costs its opening, and changes no answer.
 */
function namedIn(statement: string, tables: readonly ViewedTable[]): readonly ViewedTable[] {
  const words = new Set(tokenize(statement).map(({ text }) => text.replace(/^[`"](.*)[`"]$/s, '$1')))
  const has = (pattern: RegExp) => [...words].some((word) => pattern.test(word))
  if (has(/^merge$/i)) return tables
  const named = tables.filter(
    ({ as }) => words.has(as.name) || words.has(sql`${identifier(as.name)}`.text.slice(1, -1)),
  )
  return named.length === 0 && has(LISTS) ? tables : named
}

function explained(error: unknown, [some]: readonly ViewedTable[]): unknown {
  const refused = (cause: PermafrostError, hint: string) =>
    new PermafrostError('ENGINE_REFUSED', cause.message, { hint, cause, ...(cause.detail && { detail: cause.detail }) })
  if (isClickHouse(error, CLICKHOUSE.ACCESS_DENIED)) return refused(error, 'a backup can be read, and nothing else')
  if (!isClickHouse(error, CLICKHOUSE.UNKNOWN_TABLE)) return error
  const example = some ? `, as in ${displayName(some.as)}` : ''
  return refused(error, `name a table with parts by its database${example}; SHOW TABLES FROM <database> lists them`)
}

interface ViewEngine extends AsyncDisposable {
  /** May read tables and nothing else. */
  readonly reader: Engine
  /** Make a table, unless it is there. @returns whether it was made */
  show(mount: Mount, signal: AbortSignal): Promise<boolean>
}

async function openEngine(
  { self, random, signal }: ViewContext,
  { scratch, databases }: { readonly scratch: string; readonly databases: ReadonlySet<string> },
): Promise<ViewEngine> {
  const engine = await disposableEngine({ scratch, self, random, signal })
  for (const name of databases) await engine.command(sql`CREATE DATABASE IF NOT EXISTS ${identifier(name)}`)
  const reader = embeddedReader({ path: engine.path, random })
  const shown = new Set<string>()
  return {
    reader,
    show: async (mount, asking) => {
      const key = keyOf(mount.table)
      if (shown.has(key)) return false
      const { can } = await engine.describe()
      await createTable(
        { command: (text, more) => engine.command(text, { ...more, signal: asking }) },
        { can },
        {
          create: mount.create,
          as: mount.table,
        },
      )
      await refuseMissing(engine, mount)
      shown.add(key)
      return true
    },
    [Symbol.asyncDispose]: async () => {
      await reader[Symbol.asyncDispose]()
      await engine[Symbol.asyncDispose]()
    },
  }
}

/** ClickHouse leaves out parts that it cannot open; then every answer would be wrong. */
async function refuseMissing(engine: DisposableEngine, { table, parts }: Mount): Promise<void> {
  const [row] = await engine.query(
    sql`SELECT countIf(NOT startsWith(name, 'patch-')) AS n FROM system.parts WHERE active AND database = ${table.database} AND table = ${table.name}`,
  )
  if (Number(row?.['n']) === parts) return
  const message = `ClickHouse opens ${String(row?.['n'])} of ${parts} parts of ${displayName(table)}`
  throw new PermafrostError('DAMAGED', message, { hint: 'permafrost verify' })
}

function settingsOf({ rows, memory }: QueryLimits): Readonly<Record<string, string | number>> {
  return {
    readonly: 2,
    ...(rows !== undefined && { max_result_rows: rows }),
    ...(memory !== undefined && { max_memory_usage: memory }),
  }
}

function statementsOf(mounts: readonly Mount[]): readonly string[] {
  const databases = new Set(mounts.map(({ table }) => table.database))
  return [
    ...[...databases].map((name) => sql`CREATE DATABASE IF NOT EXISTS ${identifier(name)}`.text),
    ...mounts.map(({ create }) => create),
  ]
}
