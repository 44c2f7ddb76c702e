import { z } from 'zod'
import { layout } from '../core/layout.ts'
import { SETTLE } from '../core/safety.ts'
import type { Learned } from '../storage/examine.ts'
import { putMark, readMarks } from './marks.ts'
import type { Random } from './marks.ts'
import type { Repository } from './repository.ts'

const KIND = 'learned'
const schema = z.looseObject({ at: z.iso.datetime(), atomicCreate: z.boolean(), listLag: z.number() })

/** Write down what `doctor` learned of the store, and drop what it had learned before. */
export async function writeLearned(
  repository: Repository,
  learned: Learned & { readonly at: string },
  random: Random,
): Promise<void> {
  const before: string[] = []
  for await (const { key } of repository.storage.list(layout.learned.prefix)) before.push(key)
  const key = layout.learned.key(Buffer.from(random(16)).toString('hex'))
  await putMark(repository, { kind: KIND, key, value: learned }, random)
  await repository.storage.delete(before)
}

/** Seconds that a collector waits before it looks again: a list that lags may not show yet who announced before. @throws DAMAGED */
export async function settleTime(repository: Repository): Promise<number> {
  const all = await readMarks(repository, { kind: KIND, prefix: layout.learned.prefix }, (_name, value) =>
    schema.parse(value),
  )
  // Twice the lag: the announcement, and the condemnation that its writer looks for, both have to come to light.
  return Math.max(0, ...all.map(({ listLag }) => (listLag === 0 ? 0 : Math.max(SETTLE, 2 * listLag))))
}
