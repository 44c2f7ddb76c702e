import { z } from 'zod'
import { layout } from '../core/layout.ts'
import { putMark, readMarks } from './marks.ts'
import type { Random } from './marks.ts'
import type { Repository } from './repository.ts'

/** A soft delete: the backup is out of the lists at once, and out of reach at a later time. */
export interface Forgotten {
  /** Of the mark itself. */
  readonly key: string
  readonly backup: string
  readonly by: string
  readonly at: string
  readonly reason: string
  /** Until then it can be taken back. */
  readonly notBefore: string
}

const schema = z.looseObject({
  backup: z.string(),
  by: z.string(),
  at: z.iso.datetime(),
  reason: z.string(),
  notBefore: z.iso.datetime(),
})

/** Mark a backup as forgotten. Each mark has a name of its own: what was taken back may be forgotten again. */
export async function forget(
  repository: Repository,
  { backup, by, at, reason, notBefore }: Omit<Forgotten, 'key'>,
  random: Random,
): Promise<void> {
  const key = layout.forgotten.key(backup, Buffer.from(random(4)).toString('hex'))
  await putMark(repository, { kind: 'forgotten', key, value: { backup, by, at, reason, notBefore } }, random)
}

/** The marks of every backup that has some. @throws DAMAGED when one does not read */
export async function readForgotten(repository: Repository): Promise<ReadonlyMap<string, readonly Forgotten[]>> {
  const marks = await readMarks(repository, { kind: 'forgotten', prefix: layout.forgotten.prefix }, (name, value) => ({
    key: layout.forgotten.prefix + name,
    ...schema.parse(value),
  }))
  return Map.groupBy(marks, ({ backup }) => backup)
}
