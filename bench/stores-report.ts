import { plural } from '../src/core/units.ts'
import { median } from './measure.ts'
import { CONNECTIONS, LATENCY, MOST_IN_FLIGHT } from './slow-down.ts'
import type { SlowDown } from './slow-down.ts'

/** `backupOfNothing` has no change to store, `restoreOfNothing` is of a table with one row: what a run costs by itself. */
export type StoreStep = 'put' | 'backup' | 'backupOfNothing' | 'get' | 'restore' | 'restoreOfNothing'

export interface StepUsage {
  /** Of plain transfers from the first request on; of commands from the start of the process. */
  readonly seconds: number
  /** Seconds of processor of the whole process. */
  readonly cpu: number
}

export type StoreRound = Readonly<Record<StoreStep, StepUsage>>

export interface StoreResult {
  readonly title: string
  readonly rounds: readonly StoreRound[]
}

export interface StoresResult {
  readonly machine: string
  readonly rounds: number
  /** That a backup stores. */
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
    `### Through a store: ${(bytes / 1e9).toFixed(2)} GB in ${plural(packs, 'pack')}`,
    '',
    'MB/s of plain transfers of as many random objects of the same sizes, by the vendor’s library over as many connections, and of whole commands; in brackets, and then without what a run with nothing to do takes, as a part of plain.',
    '',
    row([
      '',
      'plain PUT',
      '`backup`',
      'without its fixed part',
      'plain GET',
      '`restore`',
      'without its fixed part',
      'CPU s/GB of the four',
    ]),
    '|---|---:|---:|---:|---:|---:|---:|---:|',
    ...stores.map((store) => storeRow(store, bytes)),
    '',
    ...(slow.length > 0 ? slowDown(slow) : []),
  ].join('\n')
}

function storeRow({ title, rounds }: StoreResult, bytes: number): string {
  const speed = (seconds: (round: StoreRound) => number) =>
    median(rounds.map((round) => bytes / 1e6 / seconds(round))).toFixed(0)
  const beside = (plain: StoreStep, seconds: (round: StoreRound) => number) =>
    `${speed(seconds)} (${median(rounds.map((round) => round[plain].seconds / seconds(round))).toFixed(2)})`
  const cpu = (step: StoreStep) => (median(rounds.map((round) => round[step].cpu)) / (bytes / 1e9)).toFixed(1)
  return row([
    title,
    speed(({ put }) => put.seconds),
    beside('put', ({ backup }) => backup.seconds),
    beside('put', ({ backup, backupOfNothing }) => backup.seconds - backupOfNothing.seconds),
    speed(({ get }) => get.seconds),
    beside('get', ({ restore }) => restore.seconds),
    beside('get', ({ restore, restoreOfNothing }) => restore.seconds - restoreOfNothing.seconds),
    (['put', 'backup', 'get', 'restore'] as const).map(cpu).join(' · '),
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
