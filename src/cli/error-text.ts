import { ERRORS } from '../core/errors.ts'
import type { ErrorCode } from '../core/errors.ts'

/** How a code stands at the end of an error line. */
export function displayCode(code: ErrorCode): string {
  return `${code} ${ERRORS[code].exit}`
}

/** The table of exit codes, for `permafrost help exit-codes` and the docs. */
export function exitCodeTable(): readonly (readonly [exit: string, code: string, title: string])[] {
  const rows = Object.entries(ERRORS).map(([code, { exit, title }]) => [String(exit), code, title] as const)
  return [['0', 'OK', 'it worked'], ...rows]
}
