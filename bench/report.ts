import { median } from './measure.ts'
import type { Usage } from './measure.ts'
import { PERMAFROST, STEPS } from './peers.ts'
import type { Step } from './peers.ts'

export interface Result {
  readonly title: string
  readonly bytes: number
  readonly parts: number
  /** Seconds of `FREEZE`, a round each. */
  readonly freeze: number[]
  readonly usages: (Usage & { readonly peer: string; readonly inServer: boolean; readonly step: Step })[]
}

const HEADINGS: Readonly<Record<Step, string>> = {
  first: 'first backup',
  again: 'no change',
  changed: '5 % changed',
  restore: 'restore',
}

/** Medians of seconds until everything is on the disk, with the ratio that Permafrost's time is of them; then what a tool takes by itself. */
export function markdown(
  results: readonly Result[],
  run: { readonly machine: string; readonly rounds: number },
): string {
  const lines = [
    `${run.machine}, ${run.rounds} interleaved rounds, medians of seconds until everything is on the disk. Behind each: Permafrost’s as a part of it.`,
    '',
  ]
  for (const result of results) {
    const { title, bytes, parts, freeze } = result
    lines.push(
      `### ${title}: ${(bytes / 1e9).toFixed(2)} GB in ${parts.toLocaleString('en')} parts`,
      '',
      `Permafrost’s backups include FREEZE, ${median(freeze).toFixed(2)} s of its own.`,
      '',
      `| | ${STEPS.map((step) => HEADINGS[step]).join(' | ')} | first, in memory | restore, in memory | CPU s, first | CPU s, restore | MiB, most |`,
      `|---|${'---:|'.repeat(STEPS.length + 5)}`,
    )
    for (const peer of peersOf(result)) {
      const cells = STEPS.map((step) => cellOf(result, { peer, step }))
      const inMemory = (['first', 'restore'] as const).map((step) => inSeconds(figure(result, { peer, step }, 'wall')))
      const used = [figure(result, { peer, step: 'first' }, 'cpu'), figure(result, { peer, step: 'restore' }, 'cpu')]
      const memory = Math.max(...result.usages.filter((usage) => usage.peer === peer).map((usage) => usage.memory))
      const inServer = result.usages.some((usage) => usage.peer === peer && usage.inServer)
      const tail = inServer ? ['in the server', '', ''] : [...used.map((value) => value.toFixed(1)), memory.toFixed(0)]
      lines.push(`| ${[peer, ...cells, ...inMemory, ...tail].join(' | ')} |`)
    }
    lines.push('')
  }
  return `${lines.join('\n')}\n`
}

/** Bars of the seconds, a group a step. */
export function chart(results: readonly Result[]): string {
  const bars: string[] = []
  let y = 10
  for (const result of results) {
    bars.push(`<text x="10" y="${(y += 18)}" class="title">${result.title}, seconds until it is on the disk</text>`)
    for (const step of STEPS) {
      const rows = peersOf(result)
        .map((peer) => ({ peer, seconds: figure(result, { peer, step }, 'durable') }))
        .filter(({ seconds }) => Number.isFinite(seconds))
      const most = Math.max(...rows.map(({ seconds }) => seconds))
      bars.push(`<text x="10" y="${(y += 22)}">${HEADINGS[step]}</text>`)
      for (const { peer, seconds } of rows) {
        const width = Math.max(1, (seconds / most) * 420)
        const ours = peer === PERMAFROST ? ' class="ours"' : ''
        bars.push(
          `<text x="150" y="${(y += 15)}" text-anchor="end">${peer}</text>`,
          `<rect x="158" y="${y - 10}" width="${width.toFixed(1)}" height="11"${ours}/>`,
          `<text x="${(164 + width).toFixed(1)}" y="${y}">${seconds.toFixed(2)}</text>`,
        )
      }
    }
    y += 16
  }
  const style =
    'text{font:12px system-ui,sans-serif;fill:#57606a}.title{font-weight:600;font-size:14px}rect{fill:#8c959f}.ours{fill:#0969da}'
  return `<svg xmlns="http://www.w3.org/2000/svg" width="640" height="${y + 10}"><style>${style}</style>\n${bars.join('\n')}\n</svg>\n`
}

function inSeconds(value: number): string {
  return Number.isFinite(value) ? value.toFixed(2) : '–'
}

interface Cell {
  readonly peer: string
  readonly step: Step
}

function peersOf({ usages }: Result): readonly string[] {
  const names = new Set(usages.map(({ peer }) => peer))
  return [PERMAFROST, ...[...names].filter((name) => name !== PERMAFROST)]
}

function figure(result: Result, { peer, step }: Cell, what: keyof Usage): number {
  return median(result.usages.filter((usage) => usage.peer === peer && usage.step === step).map((usage) => usage[what]))
}

function cellOf(result: Result, cell: Cell): string {
  const taken = figure(result, cell, 'durable')
  if (!Number.isFinite(taken)) return '–'
  if (cell.peer === PERMAFROST) return `**${taken.toFixed(2)}**`
  return `${taken.toFixed(2)} (${(figure(result, { ...cell, peer: PERMAFROST }, 'durable') / taken).toFixed(2)})`
}
