import type { Sql } from '../core/sql.ts'

/** A value in a row of a result. 64-bit integers come as strings: JavaScript's numbers end at 2^53. */
export type Value = string | number | boolean | null | readonly Value[]
export type Row = Readonly<Record<string, Value>>

export interface QueryOptions {
  readonly signal?: AbortSignal | undefined
  /** Settings of ClickHouse for this statement; only such as {@link Capabilities.settings} knows. */
  readonly settings?: Readonly<Record<string, string | number>> | undefined
  /** Milliseconds; without it a statement may take as long as it takes. */
  readonly timeout?: number | undefined
}

export interface StreamOptions extends QueryOptions {
  readonly format: string
  /** The server sends nothing before it has everything: old ones write an error that comes late into the rows. */
  readonly whole?: boolean
}

/** A disk of the server, and where this machine sees it. */
export interface ServerDisk {
  readonly name: string
  /** As the server has it; with a slash at its end. */
  readonly path: string
  /** As this machine sees it; with a slash at its end. */
  readonly local: string
  /** Object disks hold no part files, only their keys. */
  readonly type: 'local' | 'object'
  readonly encrypted: boolean
  readonly freeBytes: number
}

/** What a server can do, read from its own system tables, never from its version. */
export interface Capabilities {
  hasTable(name: string): boolean
  hasColumn(table: string, column: string): boolean
  hasSetting(name: string): boolean
}

export interface ServerInfo {
  readonly version: string
  /** `hostName()`. */
  readonly host: string
  /** `serverUUID()`, or the host's name where there is none. */
  readonly id: string
  readonly disks: readonly ServerDisk[]
  readonly can: Capabilities
}

/** ClickHouse, as Permafrost needs it. The server and the embedded engine are the same adapter over HTTP. */
export interface Engine extends AsyncDisposable {
  /** For messages: never holds credentials. */
  readonly location: string
  describe(): Promise<ServerInfo>
  /** A statement that returns rows; an error that comes late is an error. */
  query(sql: Sql, options?: QueryOptions): Promise<readonly Row[]>
  /**
   * The answer of a statement as ClickHouse sends it, in the statement's own FORMAT or this one. An error that comes late is
   * thrown at the end.
   */
  stream(sql: Sql, options: StreamOptions): AsyncIterable<Uint8Array>
  /** An INSERT, with its rows in the statement's own FORMAT. Never repeated by itself. */
  insert(sql: Sql, rows: AsyncIterable<Uint8Array>, options?: QueryOptions): Promise<void>
  /** A statement that returns none. Never repeated by itself: FREEZE, ATTACH and INSERT are not idempotent. */
  command(sql: Sql, options?: QueryOptions): Promise<void>
}

/** @throws TypeError when the column is absent: a mistake in our own SQL */
export function text(row: Row, column: string): string {
  const value = row[column]
  if (value === undefined || value === null) throw new TypeError(`no column ${column} in the result`)
  return String(value)
}

export function number(row: Row, column: string): number {
  return Number(row[column] ?? 0)
}
