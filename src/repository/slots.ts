import { z } from 'zod'
import { Corrupt } from '../core/corrupt.ts'
import { PermafrostError } from '../core/errors.ts'
import { layout } from '../core/layout.ts'
import type { Storage } from '../storage/storage.ts'
import { makeSlot, openSlot, plainKeys, slotInfo } from './keys.ts'
import type { Keys, Slot, SlotInfo, SlotOwner } from './keys.ts'
import { damaged, readRecord } from './read-record.ts'
import { encodeRecord } from './records.ts'

/** A slot as it is listed. */
export interface ListedSlot {
  readonly id: string
  readonly info: SlotInfo
}

interface Place {
  readonly storage: Storage
  readonly format: { readonly suite: string; readonly publicKey: string }
}

/** Store the keys once more, for another secret. @returns the slot's id */
export async function putSlot(
  storage: Storage,
  { keys, owner }: { readonly keys: Keys; readonly owner: SlotOwner },
  random: (size: number) => Uint8Array,
): Promise<string> {
  const id = Buffer.from(random(8)).toString('hex')
  const key = layout.keys.slot(id)
  const slot = { name: 'slot', reader: 'anyone', value: makeSlot(keys, owner, random) } as const
  await storage.put(key, encodeRecord({ kind: 'slot', key }, [slot], { keys: plainKeys, random }), { ifAbsent: true })
  return id
}

/** From now on its secret opens nothing. */
export function removeSlot(storage: Storage, id: string): Promise<void> {
  return storage.delete([layout.keys.slot(id)])
}

/** What anybody may know of the slots. @throws DAMAGED */
export async function listSlots(storage: Storage): Promise<readonly ListedSlot[]> {
  const slots: ListedSlot[] = []
  for (const [id, slot] of await readSlots(storage))
    slots.push({ id, info: corruptAt({ storage, id }, () => slotInfo(slot)) })
  return slots.toSorted((a, b) => (a.info.created < b.info.created ? -1 : 1))
}

/** The keys out of the first slot that this secret opens. Slots of an init that was killed, or lost a race, are passed over. */
export async function openSlots(
  { storage, format }: Place,
  secret: string,
): Promise<{ readonly keys: Keys; readonly slot: string }> {
  const slots = await readSlots(storage)
  let foreign: string | undefined
  for (const [id, slot] of slots) {
    const opened = corruptAt({ storage, id }, () => openSlot(slot, secret))
    if (opened.outcome === 'wrong-secret') continue
    const { keys } = opened
    const isOurs = keys.suite === format.suite && Buffer.from(keys.publicKey).toString('base64') === format.publicKey
    if (isOurs) return { keys, slot: id }
    foreign = layout.keys.slot(id)
  }
  if (foreign) throw damaged(storage, layout.format, new Corrupt(`does not belong to the keys in ${foreign}`))
  if (slots.size === 0) throw damaged(storage, layout.keys.prefix, new Corrupt('holds no key slot'))
  const hint =
    'check repository.key in the configuration: it must be a key that this repository was made with, or was given'
  throw new PermafrostError('KEY_WRONG', `the key does not open the repository at ${storage.location}`, { hint })
}

const slotSchema: z.ZodType<Slot> = z.looseObject({ about: z.string(), check: z.string(), keys: z.string() })

async function readSlots(storage: Storage): Promise<ReadonlyMap<string, Slot>> {
  const slots = new Map<string, Slot>()
  for await (const { key } of storage.list(layout.keys.slots)) {
    const record = await readRecord({ storage, keys: plainKeys }, { kind: 'slot', key })
    const slot = slotSchema.safeParse(record.get('slot'))
    if (!slot.success) throw damaged(storage, key, new Corrupt('is not a key slot'))
    slots.set(key.slice(layout.keys.slots.length), slot.data)
  }
  return slots
}

function corruptAt<T>({ storage, id }: { readonly storage: Storage; readonly id: string }, work: () => T): T {
  try {
    return work()
  } catch (error) {
    if (error instanceof Corrupt) throw damaged(storage, layout.keys.slot(id), error)
    throw error
  }
}
