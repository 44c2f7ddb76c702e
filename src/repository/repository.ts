import { z } from 'zod'
import { Corrupt } from '../core/corrupt.ts'
import { PermafrostError } from '../core/errors.ts'
import { layout } from '../core/layout.ts'
import type { Storage } from '../storage/storage.ts'
import { makeKeys, plainKeys } from './keys.ts'
import type { Keys } from './keys.ts'
import { damaged } from './read-record.ts'
import { placeRecovery } from './recovery.ts'
import { openSlots, putSlot } from './slots.ts'
import type { Suite } from './seal.ts'

/** What this version reads and writes. A repository that demands more of an operation is refused for that operation. */
const FEATURES = new Set(['segments-1', 'blocks-1'])
const VERSION = 1

const formatSchema = z.object({
  magic: z.literal('permafrost-repository'),
  version: z.number().int(),
  id: z.string().regex(/^[0-9a-f]{32}$/),
  created: z.string(),
  suite: z.enum(['none', 'aes-256-gcm', 'chacha20-poly1305']),
  must: z.object({
    read: z.array(z.string()),
    write: z.array(z.string()),
    collect: z.array(z.string()),
    check: z.array(z.string()),
  }),
  /** Bytes of plaintext in a full data pack. */
  packTarget: z
    .number()
    .int()
    .positive()
    .max(512 << 20),
  publicKey: z.string(),
})
export type Format = z.infer<typeof formatSchema>

/** An open repository: its bytes, its format and the keys that were given. */
export interface Repository {
  readonly storage: Storage
  readonly format: Format
  readonly keys: Keys
  /** The key slot that was opened; none without encryption. */
  readonly slot?: string
}

type RandomBytes = (size: number) => Uint8Array
/** What a repository is opened for. */
export type Purpose = keyof Format['must']

export interface InitOptions {
  readonly suite: Suite
  /** Text of a key file or passphrase; not needed for `none`. */
  readonly secret?: string | undefined
  readonly packTarget: number
  readonly at: Date
  readonly random: RandomBytes
  /** Of another repository, so that its packs can be copied as they are. */
  readonly keys?: Keys | undefined
}

/**
 * Make a repository in an empty place. Its key slot is written first and `format.json` last: a place without one is no
 * repository, however far a killed run had come.
 *
 * @throws CONFLICT when there is a repository already, or anything else
 */
export async function initRepository(storage: Storage, options: InitOptions): Promise<Repository> {
  await refuseOccupied(storage)
  const keys = options.keys ?? makeKeys(options.suite, options.random)
  if (options.suite !== 'none') {
    const owner = { secret: requireSecret(options.secret), role: 'owner', label: 'init', created: options.at } as const
    await putSlot(storage, { keys, owner }, options.random)
  }
  await placeRecovery(storage)
  const format: Format = {
    magic: 'permafrost-repository',
    version: VERSION,
    id: Buffer.from(options.random(16)).toString('hex'),
    created: options.at.toISOString(),
    suite: options.suite,
    must: {
      read: ['segments-1', 'blocks-1'],
      write: ['segments-1', 'blocks-1'],
      collect: ['blocks-1'],
      check: ['blocks-1'],
    },
    packTarget: options.packTarget,
    publicKey: Buffer.from(keys.publicKey).toString('base64'),
  }
  const body = Buffer.from(`${JSON.stringify(format, null, 2)}\n`)
  if ((await storage.put(layout.format, body, { ifAbsent: true })) === 'exists') throw occupied(storage)
  // Opened as anyone else will: what was written is read back before anybody is told that it is there.
  return openRepository(storage, { secret: options.secret, purpose: 'write' })
}

/**
 * Open the repository at a location.
 *
 * @throws REPOSITORY_MISSING, FORMAT_TOO_NEW, KEY_WRONG, CONFIG_INVALID when it is encrypted and no key is configured, DAMAGED
 */
export async function openRepository(
  storage: Storage,
  { secret, purpose }: { readonly secret?: string | undefined; readonly purpose: Purpose },
): Promise<Repository> {
  const format = await readFormat(storage, purpose)
  if (format.suite === 'none') return { storage, format, keys: plainKeys }
  return { storage, format, ...(await openSlots({ storage, format }, requireSecret(secret))) }
}

/** The bytes of `format.json` as text. A collector compares them: the ground must not move below it. */
export async function readFormatText(storage: Storage): Promise<string> {
  return Buffer.from((await storage.get(layout.format)) ?? []).toString()
}

async function readFormat(storage: Storage, purpose: Purpose): Promise<Format> {
  const bytes = await storage.get(layout.format)
  if (!bytes) {
    const hint = ['permafrost repo init', 'or correct repository.url in the configuration']
    throw new PermafrostError('REPOSITORY_MISSING', `there is no repository at ${storage.location}`, { hint })
  }
  const version = versionOf(bytes)
  const tooNew = (what: string) =>
    new PermafrostError('FORMAT_TOO_NEW', `the repository at ${storage.location} needs ${what}`, {
      hint: 'update Permafrost',
    })
  if (version !== undefined && version > VERSION) throw tooNew(`format version ${version}`)
  const format = formatSchema.safeParse(parseJson(bytes))
  if (!format.success) throw damaged(storage, layout.format, new Corrupt('is not the format of a repository'))
  const unknown = format.data.must[purpose].find((feature) => !FEATURES.has(feature))
  if (unknown) throw tooNew(`the feature ${unknown} to ${purpose}`)
  return format.data
}

function versionOf(bytes: Uint8Array): number | undefined {
  const value = z.object({ magic: z.literal('permafrost-repository'), version: z.number() }).safeParse(parseJson(bytes))
  return value.data?.version
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString())
  } catch {
    return undefined
  }
}

function requireSecret(secret: string | undefined): string {
  if (secret?.trim()) return secret
  const hint = 'set repository.key, for example to "${file:/etc/permafrost/key}"'
  throw new PermafrostError('CONFIG_INVALID', 'the repository is encrypted and no key is configured', { hint })
}

/** @throws CONFLICT when there is a repository already, or anything else */
export async function refuseOccupied(storage: Storage): Promise<void> {
  if (await storage.head(layout.format)) throw occupied(storage)
  for await (const { key } of storage.list('')) {
    // What a killed init or a doctor leaves behind; anything else is somebody else's.
    if (key.startsWith(layout.keys.slots) || key.startsWith(layout.scratch.prefix) || layout.recovery.includes(key))
      continue
    const hint = 'choose an empty location'
    throw new PermafrostError('CONFLICT', `${storage.location} is not empty: it holds ${key}`, { hint })
  }
}

function occupied(storage: Storage): PermafrostError {
  const hint = ['permafrost repo info', 'or choose another location']
  return new PermafrostError('CONFLICT', `there is a repository at ${storage.location} already`, { hint })
}
