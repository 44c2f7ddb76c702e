import { median } from './measure.ts'
import { CONNECTIONS, LATENCY, MOST_IN_FLIGHT } from './slow-down.ts'
import type { SlowDown } from './slow-down.ts'

/** Seconds of each step. */
export interface StoreRound {
  readonly put: number
  readonly backup: number
  /** With no change: what a run costs by itself. */
  readonly backupOfNothing: number
  readonly get: number
  readonly restore: number
  /** Of a table with one row. */
  readonly restoreOfNothing: number
}

export interface StoreResult {
  readonly title: string
  readonly rounds: readonly StoreRound[]
}

export interface StoresResult {
  readonly machine: string
  readonly rounds: number
  /** How many packs a backup stores, and their bytes. */
  readonly packs: number
  readonly bytes: number
  readonly stores: readonly StoreResult[]
  readonly slow: readonly SlowDown[]
}

export function storesMarkdown(result: StoresResult): string {
  const { machine, rounds, packs, bytes, stores, slow } = result
  return [
    `${machine}, ${rounds} interleaved rounds, medians. Server and client share the processors.`,
    '',
    `### Through a store: ${(bytes / 1e9).toFixed(2)} GB in ${packs} packs`,
    '',
    'MB/s of plain transfers of as many random objects of the same sizes, by the vendor’s library over as many connections, and of whole commands; in brackets, and then without what a run with nothing to do takes, as a part of plain.',
    '',
    row(['', 'plain PUT', '`backup`', 'without its fixed part', 'plain GET', '`restore`', 'without its fixed part']),
    '|---|---:|---:|---:|---:|---:|---:|',
    ...stores.map((store) => storeRow(store, bytes)),
    '',
    ...(slow.length > 0 ? slowDown(slow) : []),
  ].join('\n')
}

function storeRow({ title, rounds }: StoreResult, bytes: number): string {
  const speed = (seconds: (round: StoreRound) => number) =>
    median(rounds.map((round) => bytes / 1e6 / seconds(round))).toFixed(0)
  const beside = (seconds: (round: StoreRound) => number, plain: 'put' | 'get') =>
    `${speed(seconds)} (${median(rounds.map((round) => round[plain] / seconds(round))).toFixed(2)})`
  return row([
    title,
    speed(({ put }) => put),
    beside(({ backup }) => backup, 'put'),
    beside(({ backup, backupOfNothing }) => backup - backupOfNothing, 'put'),
    speed(({ get }) => get),
    beside(({ restore }) => restore, 'get'),
    beside(({ restore, restoreOfNothing }) => restore - restoreOfNothing, 'get'),
  ])
}

function slowDown(slow: readonly SlowDown[]): readonly string[] {
  const of = (connections: number | undefined, what: 'seconds' | 'requests' | 'retries' | 'refused') =>
    median(slow.filter((run) => run.connections === connections).map((run) => run[what]))
  const adapted = of(undefined, 'seconds')
  const fixed = CONNECTIONS.flatMap((connections) => (connections === undefined ? [] : [of(connections, 'seconds')]))
  return [
    `### A store ${LATENCY} ms away that answers SlowDown to more than ${MOST_IN_FLIGHT} requests at a time`,
    '',
    'A backup with 8 workers and small packs, through a proxy before S3. Above that number `connections` is the most that Permafrost begins with, not what it stays at.',
    '',
    row(['`connections`', 'seconds', 'requests', 'retries', 'refused']),
    '|---|---:|---:|---:|---:|',
    ...CONNECTIONS.map((connections) =>
      row([
        connections === undefined ? 'left to Permafrost' : String(connections),
        of(connections, 'seconds').toFixed(2),
        ...(['requests', 'retries', 'refused'] as const).map((what) => of(connections, what).toFixed(0)),
      ]),
    ),
    '',
    `Left to itself it takes ${(adapted / Math.min(...fixed)).toFixed(2)} of the best fixed number’s time.`,
    '',
  ]
}

function row(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`
}
