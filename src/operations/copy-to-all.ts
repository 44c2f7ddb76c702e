import { PermafrostError } from '../core/errors.ts'
import type { Repository } from '../repository/repository.ts'
import type { Context } from './context.ts'
import type { CopyPlace } from './status.ts'

/**
 * Copy to one place after another. A place that fails does not keep the others from their copies: it is a finding.
 *
 * @returns what came of those that did not fail
 * @throws what the first one failed with, when all failed
 */
export async function copyToAll<T>(
  places: readonly CopyPlace[],
  copyTo: (target: Repository) => Promise<T>,
  { emit, signal }: Pick<Context, 'emit' | 'signal'>,
): Promise<readonly T[]> {
  const copies: T[] = []
  const failures: PermafrostError[] = []
  for (const { location, open } of places) {
    try {
      copies.push(await copyTo(await open()))
    } catch (error) {
      if (signal.aborted || !(error instanceof PermafrostError)) throw error
      failures.push(error)
      const { message, hint } = error
      if (places.length > 1)
        emit({
          type: 'finding',
          severity: 'incomplete',
          object: location,
          message: `has no copy: ${message}`,
          ...(hint.length > 0 && { hint: hint.join('; ') }),
        })
    }
  }
  const [failure] = failures
  if (failure && copies.length === 0) throw failure
  return copies
}
