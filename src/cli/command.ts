import type { Command } from 'commander'
import type { Finding } from '../core/events.ts'
import { ERRORS } from '../core/errors.ts'
import type { Composition } from './compose.ts'

/** What a command does; it returns its exit code when that is not 0. */
export type Work = (composition: Composition) => Promise<number | void>

/** Runs a command: makes what it works with, and ends it afterwards. */
export type Run = (command: Command, work: Work) => Promise<void>

/** Adds one command to the program. */
export type AddCommand = (program: Command, run: Run) => void

/** The exit code that findings ask for: 13 for damage, 3 for what is missing. */
export function exitCodeOf(findings: readonly Finding[]): number {
  if (findings.some((finding) => finding.severity === 'damage')) return ERRORS.DAMAGED.exit
  if (findings.some((finding) => finding.severity === 'incomplete')) return ERRORS.INCOMPLETE.exit
  return 0
}

/** For options that may be given again and again. */
export function collect(value: string, previous: readonly string[]): readonly string[] {
  return [...previous, value]
}
