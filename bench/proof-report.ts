import { median } from './measure.ts'

export interface Figures {
  /** Seconds until the first byte of the answer. */
  readonly first: number
  readonly wall: number
  /** Seconds of processor of our own process. */
  readonly cpu: number
  /** MiB, the most of our own process. */
  readonly memory: number
}

/** A question to a backup. */
export interface Asked extends Figures {
  readonly what: string
  readonly fetched: string
  /** Percent of what the tables take in the repository. */
  readonly share: number
}

export interface Timed extends Figures {
  readonly what: 'drill' | 'restore' | 'RESTORE' | 'restore, one table' | 'RESTORE, one table'
}

interface TableSize {
  readonly bytes: number
  readonly parts: number
  readonly wide: number
}

export interface Proof {
  readonly machine: string
  readonly rounds: number
  readonly events: TableSize
  readonly lookup: TableSize
  /** Seconds of the question about events, to the live engine. */
  readonly liveQuery: number
  readonly asked: readonly Asked[]
  /** Seconds of the same questions to ClickHouse's own backup. */
  readonly native: readonly { readonly what: string; readonly wall: number }[]
  readonly timed: readonly Timed[]
}

export function proofMarkdown(proof: Proof): string {
  const { machine, rounds, events, lookup, asked, native, timed, liveQuery } = proof
  const middle = (all: readonly (Asked | Timed)[], what: string, figure: keyof Figures): number =>
    median(all.flatMap((one) => (one.what === what ? [one[figure]] : [])))
  const questions = [...new Set(asked.map(({ what }) => what))].flatMap((what) => {
    const { fetched = '', share = Number.NaN } = asked.find((one) => one.what === what) ?? {}
    const seconds = (['first', 'wall', 'cpu'] as const).map((figure) => middle(asked, what, figure).toFixed(2))
    const own = median(native.flatMap((one) => (one.what === what ? [one.wall] : []))).toFixed(2)
    return [
      row([`\`query\`: ${what}`, ...seconds, middle(asked, what, 'memory').toFixed(0), fetched, `${share} %`]),
      row([`\`ENGINE = Backup\`: ${what}`, own, own, 'in the server', '', '', '']),
    ]
  })
  const instead = (['restore, one table', 'RESTORE, one table'] as const).map((what) => {
    const seconds = (middle(timed, what, 'wall') + liveQuery).toFixed(2)
    return row([
      `\`${what.split(',')[0]}\` of the table, then the question of events`,
      seconds,
      seconds,
      '',
      '',
      'all',
      '',
    ])
  })
  const bytes = events.bytes + lookup.bytes
  const ways = (['drill', 'restore', 'RESTORE'] as const).map((what) => {
    const wall = middle(timed, what, 'wall')
    const used =
      what === 'RESTORE' ? ['in the server', ''] : ownUse(middle(timed, what, 'cpu'), middle(timed, what, 'memory'))
    return row([`\`${what}\``, wall.toFixed(2), (bytes / 1e6 / wall).toFixed(0), ...used])
  })
  return [
    `${machine}, ${rounds} interleaved rounds, medians. An encrypted repository on the same disk. CPU and memory are of Permafrost’s own process; ClickHouse’s are not in it. \`query\` and \`drill\` start a ClickHouse of their own each time; the others use the one that runs, whose backup is not encrypted.`,
    '',
    `### Asking: ${size(events)} of events, and a table of ${size(lookup)}; every answer equals the live engine’s`,
    '',
    row(['', 'first row, s', 'wall, s', 'CPU s', 'MiB, most', 'fetched of stored', 'share']),
    '|---|---:|---:|---:|---:|---:|---:|',
    ...questions,
    ...instead,
    '',
    `### Proving: all ${(bytes / 1e9).toFixed(2)} GB`,
    '',
    row(['', 'wall, s', 'MB/s', 'CPU s', 'MiB, most']),
    '|---|---:|---:|---:|---:|',
    ...ways,
    '',
    'A drill restores, has ClickHouse check every part and read every row; the other two only restore, and `RESTORE` compares no byte.',
    '',
  ].join('\n')
}

function ownUse(cpu: number, memory: number): readonly string[] {
  return [cpu.toFixed(1), memory.toFixed(0)]
}

function size({ bytes, parts, wide }: TableSize): string {
  return `${(bytes / 1e9).toFixed(2)} GB in ${parts} parts (${wide} wide)`
}

function row(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`
}
