import { styleText } from 'node:util'
import { displayCode } from './error-text.ts'
import type { PermafrostError } from '../core/errors.ts'

type Style = 'bold' | 'dim' | 'red' | 'yellow' | 'green' | 'cyan'

/** Where a command's words go: the answer to stdout, everything said on the way to stderr. */
export interface Output {
  readonly json: boolean
  readonly quiet: boolean
  readonly color: boolean
  /** The answer: one JSON document with `--json`, else these lines. */
  answer(value: unknown, lines: () => readonly string[]): void
  /** Something said on the way. */
  say(line: string): void
  /** An error: for people, or for machines with `--json`. */
  fail(error: PermafrostError, options: { readonly debug: boolean }): void
  style(style: Style, text: string): string
}

export interface OutputOptions {
  readonly json: boolean
  readonly quiet: boolean
  readonly color: boolean
  readonly stdout: { write(text: string): unknown }
  readonly stderr: { write(text: string): unknown }
}

/** An output over two streams. */
export function createOutput({ json, quiet, color, stdout, stderr }: OutputOptions): Output {
  const style: Output['style'] = (name, text) => (color ? styleText(name, text, { validateStream: false }) : text)
  const say = (line: string): void => {
    if (!quiet) stderr.write(`${line}\n`)
  }
  return {
    json,
    quiet,
    color,
    style,
    say,
    answer: (value, lines) => {
      if (json) stdout.write(`${JSON.stringify(value, undefined, 2)}\n`)
      else if (!quiet) for (const line of lines()) stdout.write(`${line}\n`)
    },
    fail: (error, { debug }) => {
      if (json) stdout.write(`${JSON.stringify({ error: error.toJSON() }, undefined, 2)}\n`)
      stderr.write(`${style('red', 'error:')} ${printable(error.message)}  ${style('dim', displayCode(error.code))}\n`)
      for (const hint of error.hint) stderr.write(`  ${printable(hint)}\n`)
      if (debug || error.code === 'INTERNAL') stderr.write(`${printable(stackOf(error))}\n`)
    },
  }
}

/**
 * Text from outside, safe for a terminal: a table's name may hold escape sequences. Line ends stay.
 *
 * @example
 * printable('a\u001b[2Jb') // 'a\\x1b[2Jb'
 */
export function printable(text: string): string {
  return text.replace(/[^\P{Cc}\n\t]/gu, (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`)
}

/** A cell of a table; its text may come from anywhere. */
export type Cell = string | { readonly text: string; readonly style: Style }

export interface TableColumn {
  readonly title: string
  /** Numbers stand at the right. */
  readonly right?: boolean
}

/** Rows in aligned columns below their titles. */
export function table(
  output: Pick<Output, 'style'>,
  columns: readonly TableColumn[],
  rows: readonly (readonly Cell[])[],
): readonly string[] {
  const titles = columns.map(({ title }): Cell => ({ text: title, style: 'dim' }))
  const cells = [titles, ...rows].map((row) =>
    row.map((cell) => (typeof cell === 'string' ? { text: oneLine(cell) } : { ...cell, text: oneLine(cell.text) })),
  )
  const widths = columns.map((_, index) => Math.max(...cells.map((row) => widthOf(row[index]?.text ?? ''))))
  return cells.map((row) =>
    columns
      .map(({ right }, index) => {
        const { text, style }: { readonly text: string; readonly style?: Style } = row[index] ?? { text: '' }
        const space = ' '.repeat((widths[index] ?? 0) - widthOf(text))
        const shown = style ? output.style(style, text) : text
        return right ? space + shown : shown + space
      })
      .join('  ')
      .trimEnd(),
  )
}

function oneLine(text: string): string {
  return printable(text).replace(/[\n\t]/g, ' ')
}

function widthOf(text: string): number {
  return Array.from(text).length
}

function stackOf(error: Error): string {
  const own = error.stack ?? error.message
  return error.cause instanceof Error ? `${own}\ncaused by: ${stackOf(error.cause)}` : own
}
