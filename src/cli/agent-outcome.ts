import { ERRORS } from '../core/errors.ts'
import type { Operation } from '../server/contract/operations.ts'
import { errorOfProblem } from '../server/problem.ts'

/** The exit code of an operation that an agent carried out: that of the command itself. @throws what it failed with */
export function exitCodeOfOperation({ state, error }: Operation): number {
  if (error) throw errorOfProblem(error)
  switch (state) {
    case 'incomplete':
      return ERRORS.INCOMPLETE.exit
    case 'damaged':
      return ERRORS.DAMAGED.exit
    case 'failed':
      return ERRORS.INTERNAL.exit
    case 'cancelled':
    case 'interrupted':
      return ERRORS.CANCELLED.exit
    case 'ok':
    case 'queued':
    case 'running':
      return 0
  }
}
