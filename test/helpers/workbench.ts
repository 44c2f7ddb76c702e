import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Event, Finding } from '../../src/core/events.ts'
import type { RestoreWish } from '../../src/core/restore-plan.ts'
import { parsePartitionChoice, parseSelector } from '../../src/core/selector.ts'
import { identifier, join as joinSql, sql, trusted } from '../../src/core/sql.ts'
import type { TableName } from '../../src/core/sql.ts'
import { embeddedEngine } from '../../src/engine/embedded.ts'
import type { EmbeddedOptions } from '../../src/engine/embedded.ts'
import { text } from '../../src/engine/engine.ts'
import type { Engine, Row } from '../../src/engine/engine.ts'
import { thisFreezer } from '../../src/engine/freezer.ts'
import { backup } from '../../src/operations/backup.ts'
import type { BackupOptions, BackupResult } from '../../src/operations/backup.ts'
import type { Context } from '../../src/operations/context.ts'
import { prepareRestore } from '../../src/operations/restore.ts'
import type { RestoreResult } from '../../src/operations/restore.ts'
import { verify } from '../../src/operations/verify.ts'
import type { VerifyLevel, VerifyResult } from '../../src/operations/verify.ts'
import type { BackupSummary } from '../../src/core/manifest.ts'
import { makeKeyFile } from '../../src/repository/keys.ts'
import { initRepository } from '../../src/repository/repository.ts'
import type { Repository } from '../../src/repository/repository.ts'
import type { Suite } from '../../src/repository/seal.ts'
import { fileStorage } from '../../src/storage/file.ts'
import { nodeDisk } from '../../src/storage/node-disk.ts'
import type { Storage } from '../../src/storage/storage.ts'

/** A place for one test file: a temporary directory, real engines, a real repository. */
export interface Workbench extends AsyncDisposable {
  readonly directory: string
  /** A real ClickHouse on a data directory of its own. */
  engine(name: string, options?: Partial<EmbeddedOptions>): Promise<TestEngine>
  repository(
    name: string,
    options?: { readonly suite?: Suite; readonly packTarget?: number; readonly storage?: Storage },
  ): Promise<Repository>
  context(engine: Engine, repository: Repository, more?: Partial<Context>): TestContext
}

export interface TestEngine extends Engine {
  /** Its data directory. */
  readonly path: string
  /** Run statements that the test itself wrote. */
  run(...statements: readonly string[]): Promise<void>
  rows(statement: string): Promise<readonly Row[]>
  /** The only value of the only row. */
  value(statement: string): Promise<string>
}

export interface TestContext extends Context {
  readonly events: Event[]
  backup(
    options?: Partial<Omit<BackupOptions, 'selector'>> & { readonly tables?: readonly string[] },
  ): Promise<BackupResult>
  restore(from: BackupSummary, options?: RestoreInTest): Promise<RestoreResult>
  verify(ids: readonly string[], level: VerifyLevel): Promise<VerifyResult>
}

export interface RestoreInTest extends Partial<RestoreWish> {
  readonly tables?: readonly string[]
  readonly partitions?: readonly string[]
}

export async function workbench(): Promise<Workbench> {
  const directory = mkdtempSync(join(tmpdir(), 'permafrost-test-'))
  const engines: Engine[] = []
  return {
    directory,
    engine: async (name, options = {}) => {
      const path = join(directory, name)
      const engine = await embeddedEngine({ path, random: randomBytes, ...options })
      engines.push(engine)
      return testEngine(engine, path)
    },
    repository: async (
      name,
      { suite = 'aes-256-gcm', packTarget = 8 << 20, storage = fileStorage(join(directory, name)) } = {},
    ) =>
      initRepository(storage, {
        suite,
        secret: suite === 'none' ? undefined : makeKeyFile(randomBytes),
        packTarget,
        at: new Date(),
        random: randomBytes,
      }),
    context: testContext,
    [Symbol.asyncDispose]: async () => {
      for (const engine of engines) await engine[Symbol.asyncDispose]()
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

/** An engine with the short ways that tests use. */
export function testEngine(engine: Engine, path: string): TestEngine {
  const rows = (statement: string) => engine.query(trusted(statement))
  return {
    ...engine,
    path,
    rows,
    run: async (...statements) => {
      for (const statement of statements) await engine.command(trusted(statement))
    },
    value: async (statement) => {
      const [row] = await rows(statement)
      return String(Object.values(row ?? {})[0])
    },
  }
}

function testContext(engine: Engine, repository: Repository, more: Partial<Context> = {}): TestContext {
  const events: Event[] = []
  const ctx: Context = {
    repository,
    engine,
    disk: nodeDisk,
    clock: () => new Date(),
    random: randomBytes,
    emit: (event) => void events.push(event),
    signal: new AbortController().signal,
    limits: { workers: 2, memory: 256 << 20 },
    self: thisFreezer(),
    version: 'test',
    ...more,
  }
  return {
    ...ctx,
    events,
    backup: ({ tables = ['*.*'], ...options } = {}) => backup(ctx, { selector: parseSelector(tables), ...options }),
    restore: async (from, { tables = [], partitions = [], mode = 'all', ...wish } = {}) => {
      const prepared = await prepareRestore(ctx, {
        backup: from,
        selector: parseSelector(tables),
        partitions: partitions.map(parsePartitionChoice),
        wish: { mode, ...wish },
      })
      return prepared.run()
    },
    verify: (ids, level) => verify(ctx, { backups: ids, level, selector: parseSelector([]) }),
  }
}

/** Everything that two tables must have in common to be the same: rows, and a hash of each column, in no order. */
export async function fingerprint(engine: Engine, table: TableName, where = '1'): Promise<Record<string, string>> {
  const columns = await engine.query(
    sql`SELECT name FROM system.columns WHERE database = ${table.database} AND table = ${table.name} AND default_kind NOT IN ('ALIAS', 'EPHEMERAL') ORDER BY position`,
  )
  const names = columns.map((row) => String(row['name']))
  const hashes = names.map(
    (name, index) =>
      sql`sum(sipHash64(ifNull(toString(${identifier(name)}), 'NULL'), dumpColumnStructure(${identifier(name)}))) AS ${identifier(`hash ${index}`)}`,
  )
  const [row] = await engine.query(
    sql`SELECT count() AS "count of rows", ${joinSql(hashes)} FROM ${table} WHERE ${trusted(where)}`,
  )
  const value = (column: string): string => text(row ?? {}, column)
  return {
    rows: value('count of rows'),
    ...Object.fromEntries(names.map((name, index) => [name, value(`hash ${index}`)])),
  }
}

/** Names, hashes and rows of a table's active parts: equal when the parts are byte-identical. */
export async function partList(engine: Engine, { database, name }: TableName): Promise<readonly Row[]> {
  return engine.query(
    sql`SELECT name, rows, hash_of_all_files AS hash FROM system.parts WHERE database = ${database} AND table = ${name} AND active ORDER BY name`,
  )
}

/** The findings of one severity, as `object: message`. */
export function messages(findings: readonly Finding[], severity: Finding['severity']): readonly string[] {
  return findings
    .filter((finding) => finding.severity === severity)
    .map((finding) => `${finding.object}: ${finding.message}`)
}

/** The keys in a storage. */
export async function keysOf(storage: Storage, prefix = ''): Promise<readonly string[]> {
  const keys: string[] = []
  for await (const { key } of storage.list(prefix)) keys.push(key)
  return keys
}
