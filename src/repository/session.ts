import { z } from 'zod'
import { Corrupt } from '../core/corrupt.ts'
import { hasCode } from '../core/errors.ts'
import { layout } from '../core/layout.ts'
import { openSessionKey, plainKeys, wrapSessionKey } from './keys.ts'
import type { SessionKey } from './keys.ts'
import { encodeRecord } from './records.ts'
import { damaged, readRecord } from './read-record.ts'
import type { Repository } from './repository.ts'

/** One run of a writer: its packs carry its id, and are sealed below its data key. */
export interface Session {
  /** 128 random bits, hex. */
  readonly id: string
  /** Puts the wrapped data key into the repository before the first pack that needs it, and returns the key. */
  dataKey(): Promise<Uint8Array>
}

const NO_KEY = new Uint8Array(32)

/** Begin a session. A session that stores no data leaves no key behind. */
export function openSession(repository: Repository, random: (size: number) => Uint8Array): Session {
  const id = Buffer.from(random(16)).toString('hex')
  let stored: Promise<Uint8Array> | undefined
  const store = async (): Promise<Uint8Array> => {
    if (repository.keys.suite === 'none') return NO_KEY
    const dataKey = random(32)
    const key = layout.keys.session(id)
    const wrapped = wrapSessionKey(repository.keys, { id, dataKey }, random)
    const record = encodeRecord({ kind: 'session-key', key }, [{ name: 'key', reader: 'anyone', value: wrapped }], {
      keys: plainKeys,
      random,
    })
    await repository.storage.put(key, record, { ifAbsent: true })
    return dataKey
  }
  return { id, dataKey: () => (stored ??= store()) }
}

const sessionKeySchema: z.ZodType<SessionKey> = z.object({
  session: z.string(),
  ephemeral: z.string(),
  wrapped: z.string(),
})

/**
 * The data keys of sessions, each fetched once.
 *
 * @throws KEY_WRONG for a key that cannot read data, DAMAGED
 */
export function sessionKeys(repository: Repository): (session: string) => Promise<Uint8Array> {
  const known = new Map<string, Promise<Uint8Array>>()
  const fetch = async (session: string): Promise<Uint8Array> => {
    if (repository.keys.suite === 'none') return NO_KEY
    const wrapped = await readSessionKey(repository, session)
    try {
      return openSessionKey(repository.keys, wrapped)
    } catch (error) {
      if (error instanceof Corrupt) throw damaged(repository.storage, layout.keys.session(session), error)
      throw error
    }
  }
  return (session) => {
    const found = known.get(session) ?? fetch(session)
    known.set(session, found)
    return found
  }
}

/** What is wrong with the key of a session, as far as one can tell without the private key. */
export async function sessionKeyProblem(repository: Repository, session: string): Promise<string | undefined> {
  if (repository.keys.suite === 'none') return undefined
  try {
    await readSessionKey(repository, session)
    return undefined
  } catch (error) {
    if (!hasCode(error, 'DAMAGED')) throw error
    return error.cause instanceof Corrupt ? error.cause.message : error.message
  }
}

async function readSessionKey({ storage }: Repository, session: string): Promise<SessionKey> {
  const key = layout.keys.session(session)
  const record = await readRecord({ storage, keys: plainKeys }, { kind: 'session-key', key })
  const wrapped = sessionKeySchema.safeParse(record.get('key'))
  if (wrapped.success && wrapped.data.session === session) return wrapped.data
  throw damaged(storage, key, new Corrupt('is not the key of this session'))
}
