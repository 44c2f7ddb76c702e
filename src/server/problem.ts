import { ERRORS, PermafrostError, toPermafrostError } from '../core/errors.ts'
import type { Problem } from './contract/shapes.ts'

/** An error as RFC 9457 has it. What a bug says stays in the agent's log: it was not written for strangers. */
export function problemOf(error: unknown): Problem {
  const { code, message, hint, detail } = toPermafrostError(error)
  return {
    type: `urn:permafrost:error:${code}`,
    title: ERRORS[code].title,
    status: ERRORS[code].http,
    detail: code === 'INTERNAL' ? 'a bug in Permafrost; the log of the agent says more' : message,
    code,
    ...(hint.length > 0 && { hint }),
    ...(detail && { facts: detail }),
  }
}

/** What a server answered, as the error that it was. */
export function errorOfProblem({ code, detail, hint, facts }: Problem): PermafrostError {
  return new PermafrostError(code, detail, { hint, detail: facts })
}
