import { z } from 'zod'
import pLimit from 'p-limit'
import { decodeReach, encodeReach } from '../core/contents-codec.ts'
import { Corrupt } from '../core/corrupt.ts'
import { layout, nameOf } from '../core/layout.ts'
import type { Pointer } from '../core/manifest.ts'
import { encodeRecord } from './records.ts'
import { damaged, readRecordIfThere } from './read-record.ts'
import type { Repository } from './repository.ts'

// The small records of the protocol: who is about to point to what, what is condemned, what was revoked, what is pinned. All
// are sealed with the list key: a collector needs no names.

export type Random = (size: number) => Uint8Array

/** What an announcement, a pin or a backup holds on to. */
export interface Held {
  readonly blocks: readonly Pointer[]
  /** The backup whose record is held, too: of a pin, or of a forget that is taken back. */
  readonly backup?: string | undefined
}

export interface Announcement extends Held {
  /** `<session>.<attempt>` */
  readonly name: string
  readonly at: string
}

export interface Pin extends Held {
  readonly id: string
  readonly backup: string
  readonly at: string
  /** Until when it counts: a restore that was killed cannot take its own away. */
  readonly until: string
  readonly reason: string
}

const heldSchema = z.looseObject({ backup: z.string().optional(), at: z.iso.datetime() })
const pinSchema = z.looseObject({
  backup: z.string(),
  at: z.iso.datetime(),
  until: z.iso.datetime(),
  reason: z.string(),
})
const condemnedSchema = z.looseObject({ at: z.iso.datetime(), objects: z.array(z.string()) })

/** Say what is about to be pointed to. */
export async function announce(repository: Repository, announcement: Announcement, random: Random): Promise<void> {
  const { name, at, backup, blocks } = announcement
  const value = { at, ...(backup !== undefined && { backup }), ...(encodeReach(blocks) as object) }
  await putMark(repository, { kind: 'announcement', key: layout.pending.key(name), value }, random)
}

/** @throws DAMAGED when one does not read: what cannot be read keeps everything */
export function readAnnouncements(repository: Repository): Promise<readonly Announcement[]> {
  return readMarks(repository, { kind: 'announcement', prefix: layout.pending.prefix }, (name, value) => {
    const { at, backup } = heldSchema.parse(value)
    return { name, at, backup, blocks: decodeReach(value) }
  })
}

export async function putPin(repository: Repository, pin: Pin, random: Random): Promise<void> {
  const { id, blocks, ...rest } = pin
  const value = { ...rest, ...(encodeReach(blocks) as object) }
  await putMark(repository, { kind: 'pin', key: layout.pins.key(id), value }, random)
}

/** @throws DAMAGED */
export function readPins(repository: Repository): Promise<readonly Pin[]> {
  return readMarks(repository, { kind: 'pin', prefix: layout.pins.prefix }, (id, value) => {
    const { backup, at, until, reason } = pinSchema.parse(value)
    return { id, backup, at, until, reason, blocks: decodeReach(value) }
  })
}

export interface Condemned {
  readonly id: string
  readonly at: string
  /** Keys. */
  readonly objects: readonly string[]
}

/** Say in public what will be deleted. */
export async function condemn(repository: Repository, { id, at, objects }: Condemned, random: Random): Promise<void> {
  await putMark(repository, { kind: 'condemned', key: layout.condemned.key(id), value: { at, objects } }, random)
}

/** @throws DAMAGED */
export function readCondemned(repository: Repository): Promise<readonly Condemned[]> {
  return readMarks(repository, { kind: 'condemned', prefix: layout.condemned.prefix }, (id, value) => ({
    id,
    ...condemnedSchema.parse(value),
  }))
}

/** From now on this announcement protects nothing, and never will again. */
export async function revoke(
  repository: Repository,
  { name, at }: { readonly name: string; readonly at: string },
  random: Random,
): Promise<void> {
  await putMark(repository, { kind: 'revoked', key: layout.revoked.key(name), value: { at } }, random)
}

/** The names of announcements that were revoked. Their records need not read: being there is enough. */
export async function revokedNames({ storage }: Pick<Repository, 'storage'>): Promise<ReadonlySet<string>> {
  const names = new Set<string>()
  for await (const { key } of storage.list(layout.revoked.prefix)) names.add(nameOf(key))
  return names
}

interface Mark {
  readonly kind: string
  readonly key: string
  readonly value: unknown
}

/** Write one of these records. */
export async function putMark(
  { storage, keys }: Repository,
  { kind, key, value }: Mark,
  random: Random,
): Promise<void> {
  const record = encodeRecord({ kind, key }, [{ name: kind, reader: 'list', value }], { keys, random })
  await storage.put(key, record, { ifAbsent: true })
}

/** Read all of a kind. @throws DAMAGED */
export async function readMarks<T>(
  repository: Repository,
  { kind, prefix }: { readonly kind: string; readonly prefix: string },
  decode: (name: string, value: unknown) => T,
): Promise<readonly T[]> {
  const { storage } = repository
  const limit = pLimit(storage.traits.connections)
  const keys: string[] = []
  for await (const { key } of storage.list(prefix)) keys.push(key)
  const marks = await Promise.all(keys.map((key) => limit(() => readMark(repository, { kind, key }, decode))))
  return marks.filter((mark) => mark !== undefined)
}

async function readMark<T>(
  repository: Repository,
  { kind, key }: { readonly kind: string; readonly key: string },
  decode: (name: string, value: unknown) => T,
): Promise<T | undefined> {
  const record = await readRecordIfThere(repository, { kind, key })
  // Its owner has taken it away since the listing: as if it had been listed a moment later.
  if (!record) return undefined
  try {
    return decode(nameOf(key), record.get(kind))
  } catch (error) {
    if (error instanceof Corrupt) throw damaged(repository.storage, key, error)
    if (error instanceof z.ZodError)
      throw damaged(repository.storage, key, new Corrupt(`is no ${kind}`, { cause: error }))
    throw error
  }
}
