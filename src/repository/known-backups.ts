import { z } from 'zod'
import { Corrupt } from '../core/corrupt.ts'
import { layout, nameOf } from '../core/layout.ts'
import type { Random } from './marks.ts'
import { encodeRecord } from './records.ts'
import { damaged, readRecordIfThere } from './read-record.ts'
import type { Repository } from './repository.ts'

// A collector's memory: the backups that were there when it ended. One that is not there the next time, and that nobody
// forgot, means that a listing lies or that somebody else deletes; either way nothing may be collected.

const KNOWN = 'known'
const schema = z.looseObject({ at: z.iso.datetime(), backups: z.array(z.string()) })

/** The ids that the last collector saw; none before the first. @throws DAMAGED */
export async function readKnownBackups(repository: Repository): Promise<readonly string[]> {
  let newest: z.infer<typeof schema> | undefined
  for (const key of await knownKeys(repository)) {
    const record = await readRecordIfThere(repository, { kind: KNOWN, key })
    if (!record) continue
    const known = schema.safeParse(record.get(KNOWN))
    if (!known.success) throw damaged(repository.storage, key, new Corrupt('is no list of backups'))
    if (!newest || known.data.at > newest.at) newest = known.data
  }
  return newest?.backups ?? []
}

/** Remember these for the next collector, and drop what earlier ones remembered. */
export async function rememberBackups(
  repository: Repository,
  backups: readonly string[],
  { random, clock }: { readonly random: Random; readonly clock: () => Date },
): Promise<void> {
  const before = await knownKeys(repository)
  const key = `${layout.sessions.prefix}${Buffer.from(random(16)).toString('hex')}/${KNOWN}`
  const section = { name: KNOWN, reader: 'list', value: { at: clock().toISOString(), backups } } as const
  const record = encodeRecord({ kind: KNOWN, key }, [section], { keys: repository.keys, random })
  await repository.storage.put(key, record, { ifAbsent: true })
  await repository.storage.delete(before)
}

async function knownKeys({ storage }: Repository): Promise<readonly string[]> {
  const keys: string[] = []
  for await (const { key } of storage.list(layout.sessions.prefix)) if (nameOf(key) === KNOWN) keys.push(key)
  return keys
}
