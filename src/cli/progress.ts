import type { Emit, Event, Progress } from '../core/events.ts'
import { formatBytes, formatSeconds } from '../core/units.ts'
import type { Output } from './output.ts'
import { printable } from './output.ts'

export type ProgressMode = 'tty' | 'plain' | 'json' | 'none'

export interface ProgressOptions {
  readonly mode: ProgressMode
  readonly output: Output
  readonly stderr: { write(text: string): unknown; readonly columns?: number }
  readonly clock: () => Date
  readonly debug: boolean
}

/** Turns events into what a person or a log sees on stderr; `end` removes what must not stay. */
export interface ProgressView {
  readonly emit: Emit
  end(): void
}

/** A line every ten seconds: a log of a night's backup stays readable. */
const PLAIN_EVERY = 10_000
const BAR = 24

export function createProgress(options: ProgressOptions): ProgressView {
  const { mode, stderr, debug } = options
  if (mode === 'json') return { emit: (event) => void stderr.write(`${JSON.stringify(event)}\n`), end: () => undefined }
  const lines = lineWriter(options)
  const emit: Emit = (event) => {
    if (event.type === 'debug') {
      if (debug) lines.line(`debug: ${printable(event.message)}`)
    } else if (event.type === 'finding') lines.line(findingLine(event, options.output))
    else if (mode !== 'none') lines.show(event)
  }
  return { emit, end: lines.clear }
}

interface LineWriter {
  /** A line that stays. */
  line(text: string): void
  show(event: Extract<Event, { type: 'phase' | 'progress' }>): void
  readonly clear: () => void
}

function lineWriter({ mode, output, stderr, clock }: ProgressOptions): LineWriter {
  let started = clock().getTime()
  let last = started
  let shown = false
  const clear = (): void => {
    if (shown) stderr.write('\r\u001b[K')
    shown = false
  }
  const redraw = (text: string): void => {
    clear()
    stderr.write(text.slice(0, (stderr.columns ?? 80) - 1))
    shown = true
  }
  return {
    clear,
    line: (text) => {
      clear()
      output.say(text)
    },
    show: (event) => {
      const now = clock().getTime()
      if (event.type === 'phase') {
        started = last = now
        clear()
        output.say(`${output.style('dim', timeOf(clock()))} ${event.phase.padEnd(7)} ${event.message}`)
      } else if (mode === 'tty' && !output.quiet) redraw(barLine(event, (now - started) / 1000))
      else if (now - last >= PLAIN_EVERY) {
        last = now
        output.say(`${timeOf(clock())} ${event.phase.padEnd(7)} ${plainLine(event, (now - started) / 1000)}`)
      }
    },
  }
}

function barLine(event: Progress, seconds: number): string {
  const share = event.total.bytes > 0 ? event.done.bytes / event.total.bytes : 1
  const filled = Math.round(share * BAR)
  return `${'█'.repeat(filled)}${'░'.repeat(BAR - filled)} ${plainLine(event, seconds)}  ${printable(event.current)}`
}

function plainLine({ done, total }: Progress, seconds: number): string {
  const share = total.bytes > 0 ? done.bytes / total.bytes : 1
  const rate = seconds > 0 ? done.bytes / seconds : 0
  const left = rate > 0 && share < 1 ? `, ${formatSeconds((total.bytes - done.bytes) / rate)} left` : ''
  return `${Math.floor(share * 100)} %  ${formatBytes(done.bytes)} of ${formatBytes(total.bytes)}, ${formatBytes(rate)}/s${left}`
}

const MARKS = {
  note: ['note', 'dim'],
  warning: ['warning', 'yellow'],
  incomplete: ['incomplete', 'yellow'],
  damage: ['damage', 'red'],
} as const

function findingLine(event: Extract<Event, { type: 'finding' }>, output: Output): string {
  const [word, style] = MARKS[event.severity]
  const hint = event.hint ? `\n  ${event.hint}` : ''
  return `${output.style(style, `${word}:`)} ${printable(`${event.object}: ${event.message}${hint}`)}`
}

function timeOf(date: Date): string {
  return date.toISOString().slice(11, 19)
}
