import { inspect } from 'node:util'
import { expect } from 'vitest'
import type { Storage } from '../../src/storage/storage.ts'
import type { StorageError, StorageFailure } from '../../src/storage/storage-error.ts'

export interface ExpectedFailure {
  readonly failure: StorageFailure
  readonly says: RegExp
  readonly hints?: RegExp
  readonly secrets: readonly string[]
}

const body = Buffer.alloc(4 << 20, 'permafrost')

/** A write has to fail in this way, within seconds, and to say what to do without telling a secret. */
export async function holds(
  storage: Storage,
  { failure, says, hints = /\w+ \w+/, secrets }: ExpectedFailure,
): Promise<void> {
  const error: unknown = await storage.put('packs/aa/one', body, { ifAbsent: true }).then(
    () => undefined,
    (reason: unknown) => reason,
  )
  expect(error).toMatchObject({ failure, message: expect.stringMatching(says) })
  expect((error as StorageError).hint.join(' ')).toMatch(hints)
  const everything = inspect(error, { depth: 10, showHidden: true })
  for (const secret of secrets) expect(everything).not.toContain(secret)
}
