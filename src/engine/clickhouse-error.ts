import { PermafrostError } from '../core/errors.ts'
import type { ErrorCode } from '../core/errors.ts'

/** Codes of ClickHouse that Permafrost acts on (ClickHouse: src/Common/ErrorCodes.cpp). */
export const CLICKHOUSE = {
  ATTEMPT_TO_READ_AFTER_EOF: 32,
  UNKNOWN_FUNCTION: 46,
  UNKNOWN_TABLE: 60,
  UNKNOWN_DATABASE: 81,
  TABLE_ALREADY_EXISTS: 57,
  SYNTAX_ERROR: 62,
  ILLEGAL_TYPE_OF_ARGUMENT: 43,
  ILLEGAL_COLUMN: 44,
  NOT_IMPLEMENTED: 48,
  TOO_MANY_SIMULTANEOUS_QUERIES: 202,
  SUPPORT_IS_DISABLED: 344,
  ACCESS_DENIED: 497,
  KEEPER_EXCEPTION: 999,
} as const

const UNAUTHORIZED: ReadonlySet<number> = new Set([192, 193, 194, 195, 497, 516, 517])
const NETWORK =
  /ECONNREFUSED|ECONNRESET|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|ETIMEDOUT|EPIPE|socket hang up|Timeout error|ECONNABORTED/i

/**
 * ClickHouse's error text, in every shape that it has had: `Code: 57. DB::Exception: … (TABLE_ALREADY_EXISTS)`, and before
 * 20.x `Code: 57, e.displayText() = DB::Exception: …, e.what() = DB::Exception`. An ON CLUSTER error wraps the one that
 * matters, so the last code counts.
 */
const TEXT =
  /Code: (\d+)(?:, e\.displayText\(\) = |\. )(?:DB|Coordination|Poco|std)::\w*[Ee]xception: ([\s\S]*?)(?:, e\.what\(\) = [\w:]+\s*)*$/

/** An error of the client or the server as ours. ClickHouse's own code is in `detail.clickhouse`. */
export function clickHouseError(error: unknown, location: string): PermafrostError {
  if (error instanceof PermafrostError) return error
  const message = error instanceof Error ? error.message : String(error)
  const code = codeOf(error, message)
  if (code !== undefined) return refused(code, { message, cause: error })
  if (NETWORK.test(`${message} ${error instanceof Error && 'code' in error ? String(error.code) : ''}`)) {
    const hint = `check that ClickHouse runs and that clickhouse.url is right: curl ${location}/ping`
    return new PermafrostError(
      'ENGINE_UNAVAILABLE',
      `no answer from ClickHouse at ${location}: ${firstLine(message)}`,
      { hint, cause: error },
    )
  }
  return new PermafrostError('ENGINE_REFUSED', `ClickHouse at ${location}: ${firstLine(message)}`, { cause: error })
}

/** Is this ClickHouse's own error with one of these codes? */
export function isClickHouse(error: unknown, ...codes: readonly number[]): error is PermafrostError {
  return error instanceof PermafrostError && codes.includes(Number(error.detail?.['clickhouse']))
}

function codeOf(error: unknown, message: string): number | undefined {
  const given = Number((error as { code?: unknown }).code)
  const codes = [...message.matchAll(/Code: (\d+)/g)].map((match) => Number(match[1]))
  return codes.at(-1) ?? (Number.isInteger(given) && given > 0 ? given : undefined)
}

function refused(
  clickhouse: number,
  { message, cause }: { readonly message: string; readonly cause: unknown },
): PermafrostError {
  const said = firstLine(TEXT.exec(message)?.[2] ?? message)
  const code: ErrorCode = UNAUTHORIZED.has(clickhouse) ? 'UNAUTHORIZED' : 'ENGINE_REFUSED'
  const hint =
    code === 'UNAUTHORIZED'
      ? 'check clickhouse.user and clickhouse.password, and the grants of the user: permafrost doctor'
      : undefined
  return new PermafrostError(code, `ClickHouse said: ${said} (code ${clickhouse})`, {
    hint,
    detail: { clickhouse },
    cause,
  })
}

function firstLine(message: string): string {
  const line = message.trim().split('\n')[0] ?? ''
  return line.length > 500 ? `${line.slice(0, 500)}…` : line
}
