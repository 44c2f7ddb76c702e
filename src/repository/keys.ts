import { createHmac, createPrivateKey, createPublicKey, diffieHellman, scryptSync, timingSafeEqual } from 'node:crypto'
import { z } from 'zod'
import { Corrupt } from '../core/corrupt.ts'
import { PermafrostError } from '../core/errors.ts'
import { aead, deriveKey } from './seal.ts'
import type { Suite } from './seal.ts'

/** What opens a repository's records: all of it with the owner's key, less of it with lesser ones. */
export interface Keys {
  readonly suite: Suite
  /** Reach lists and block heads: enough to take stock and to collect; no names, no data. */
  readonly list: Uint8Array
  /** Names, definitions, parts. */
  readonly meta: Uint8Array
  /** X25519. Session keys are wrapped to it, so a writer needs nothing more. */
  readonly publicKey: Uint8Array
  /** Opens session keys, and so the data; absent for a sealed agent. */
  readonly privateKey?: Uint8Array
}

/** What the holder of a slot may do: everything; write and not read the data; take stock and collect. */
export type Role = 'owner' | 'agent' | 'collector'
export const ROLES: readonly Role[] = ['owner', 'agent', 'collector']

/** What anybody may know of a slot. */
export interface SlotInfo {
  readonly kdf: Kdf
  readonly role: Role
  readonly label: string
  /** ISO 8601. */
  readonly created: string
}

/** A slot: the keys, wrapped with one secret. It is an object of its own, so secrets come and go without touching data. */
export interface Slot {
  /** {@link SlotInfo} as JSON, byte for byte as it was authenticated. */
  readonly about: string
  /** HMAC that only the right secret makes: tells a wrong secret from a damaged slot. */
  readonly check: string
  /** The keys, sealed; base64. */
  readonly keys: string
}

type Kdf =
  | { readonly name: 'hkdf-sha256'; readonly salt: string }
  | { readonly name: 'scrypt'; readonly salt: string; readonly N: number; readonly r: number; readonly p: number }

type RandomBytes = (size: number) => Uint8Array

const KEY_FILE = /^permafrost-key-1:([A-Za-z0-9_-]{43})$/
/** 128 MiB and about 0.4 s: for what a person can remember. A key file holds 256 random bits and needs no slowing down. */
const SCRYPT = { N: 2 ** 17, r: 8, p: 1, maxmem: 2 ** 28 } as const
/** Bounds on what a forged slot may ask of the machine that opens it. */
const SCRYPT_LIMIT = 2 ** 20 * 8

/** The text of a new key file: 256 random bits. */
export function makeKeyFile(random: RandomBytes): string {
  return `permafrost-key-1:${Buffer.from(random(32)).toString('base64url')}\n`
}

/** Keys for a new repository. Without encryption they are empty and nothing is secret. */
export function makeKeys(suite: Suite, random: RandomBytes): Keys {
  if (suite === 'none') return plainKeys
  const privateKey = random(32)
  return { suite, list: random(32), meta: random(32), publicKey: publicKeyOf(privateKey), privateKey }
}

const NOTHING = new Uint8Array(32)
export const plainKeys: Keys = { suite: 'none', list: NOTHING, meta: NOTHING, publicKey: NOTHING, privateKey: NOTHING }

/** Do these keys read what those wrote? Then packs may go from one repository to the other as they are. */
export function sharesKeys(a: Keys, b: Keys): boolean {
  const same = (one: Uint8Array, other: Uint8Array) => one.length === other.length && timingSafeEqual(one, other)
  return a.suite === b.suite && same(a.publicKey, b.publicKey) && same(a.list, b.list)
}

/** Who a slot is made for. */
export interface SlotOwner {
  /** The text of a key file, or a passphrase. */
  readonly secret: string
  readonly role: Role
  readonly label: string
  readonly created: Date
}

/** Wrap the keys of a role with a secret. */
export function makeSlot(keys: Keys, { secret, role, label, created }: SlotOwner, random: RandomBytes): Slot {
  const salt = Buffer.from(random(32)).toString('base64')
  const { N, r, p } = SCRYPT
  const kdf: Kdf = keyFileOf(secret) ? { name: 'hkdf-sha256', salt } : { name: 'scrypt', salt, N, r, p }
  const about = JSON.stringify({ kdf, role, label, created: created.toISOString() } satisfies SlotInfo)
  const kek = slotKey(kdf, secret)
  const plain = JSON.stringify({
    suite: keys.suite,
    list: base64(keys.list),
    ...(role !== 'collector' && { meta: base64(keys.meta) }),
    publicKey: base64(keys.publicKey),
    ...(role === 'owner' && keys.privateKey && { privateKey: base64(keys.privateKey) }),
  })
  const sealed = aead('aes-256-gcm', kek.subarray(0, 32)).seal(Buffer.from(plain), slotPlace(about))
  return { about, check: slotCheck(kek).toString('base64'), keys: base64(sealed) }
}

/** What came of trying a secret on a slot. */
export type OpenedSlot = { readonly outcome: 'opened'; readonly keys: Keys } | { readonly outcome: 'wrong-secret' }

/**
 * Try a secret on a slot.
 *
 * @throws Corrupt when the secret is right and the slot is not what was written
 */
export function openSlot(slot: Slot, secret: string): OpenedSlot {
  const { kdf } = slotInfo(slot)
  if ((keyFileOf(secret) !== undefined) !== (kdf.name === 'hkdf-sha256')) return { outcome: 'wrong-secret' }
  const kek = slotKey(kdf, secret)
  const check = Buffer.from(slot.check, 'base64')
  const expected = slotCheck(kek)
  if (check.length !== expected.length || !timingSafeEqual(check, expected)) return { outcome: 'wrong-secret' }
  const sealed = Buffer.from(slot.keys, 'base64')
  const cipher = aead('aes-256-gcm', kek.subarray(0, 32))
  const plain = cipher.open(sealed, slotPlace(slot.about))
  const held = JSON.parse(Buffer.from(plain).toString()) as Readonly<Record<string, string | undefined>>
  const bytes = (name: string): Uint8Array => Buffer.from(held[name] ?? '', 'base64')
  return {
    outcome: 'opened',
    keys: {
      suite: held['suite'] as Suite,
      list: bytes('list'),
      meta: bytes('meta'),
      publicKey: bytes('publicKey'),
      ...(held['privateKey'] && { privateKey: bytes('privateKey') }),
    },
  }
}

/** What a slot says of itself. @throws Corrupt */
export function slotInfo({ about }: Slot): SlotInfo {
  try {
    return infoSchema.parse(JSON.parse(about))
  } catch (error) {
    throw new Corrupt('key slot does not say what it is', { cause: error })
  }
}

const infoSchema: z.ZodType<SlotInfo> = z.looseObject({
  kdf: z.discriminatedUnion('name', [
    z.object({ name: z.literal('hkdf-sha256'), salt: z.string() }),
    z.object({ name: z.literal('scrypt'), salt: z.string(), N: z.number(), r: z.number(), p: z.number() }),
  ]),
  role: z.enum(['owner', 'agent', 'collector']),
  label: z.string(),
  created: z.string(),
})

/** The 43 characters in the text of a key file: one line of it, so that it may carry instructions for people. */
function keyFileOf(secret: string): string | undefined {
  return secret
    .split('\n')
    .map((line) => KEY_FILE.exec(line.trim())?.[1])
    .find((line) => line !== undefined)
}

/** A session's data key, wrapped to the repository's public key: what lies at `keys/<sid>`. */
export interface SessionKey {
  readonly session: string
  /** The sender's one-time public key; base64. */
  readonly ephemeral: string
  readonly wrapped: string
}

/** Wrap a session's data key, so that only the holder of the private key can read what the session writes. */
export function wrapSessionKey(
  keys: Keys,
  session: { readonly id: string; readonly dataKey: Uint8Array },
  random: RandomBytes,
): SessionKey {
  const oneTime = random(32)
  const ephemeral = publicKeyOf(oneTime)
  const cipher = aead(
    'aes-256-gcm',
    boxKey(exchange(oneTime, keys.publicKey), { ephemeral, recipient: keys.publicKey }),
  )
  const wrapped = cipher.seal(session.dataKey, sessionPlace(session.id))
  return { session: session.id, ephemeral: base64(ephemeral), wrapped: base64(wrapped) }
}

/**
 * The data key of a session.
 *
 * @throws KEY_WRONG when these keys hold no private key, Corrupt when the wrapped key is not what was written
 */
export function openSessionKey(keys: Keys, wrapped: SessionKey): Uint8Array {
  if (!keys.privateKey) {
    throw new PermafrostError('KEY_WRONG', 'this key can write backups but not read their data', {
      hint: 'use the key of the repository’s owner',
    })
  }
  const ephemeral = Buffer.from(wrapped.ephemeral, 'base64')
  const cipher = aead(
    'aes-256-gcm',
    boxKey(exchange(keys.privateKey, ephemeral), { ephemeral, recipient: keys.publicKey }),
  )
  return cipher.open(Buffer.from(wrapped.wrapped, 'base64'), sessionPlace(wrapped.session))
}

function slotKey(kdf: Kdf, secret: string): Buffer {
  const salt = Buffer.from(kdf.salt, 'base64')
  if (kdf.name === 'hkdf-sha256') {
    return deriveKey(Buffer.from(keyFileOf(secret) ?? '', 'base64url'), salt, { info: 'slot v1', length: 64 })
  }
  const { N, r, p } = kdf
  if (N * r * p > SCRYPT_LIMIT) throw new PermafrostError('DAMAGED', 'a key slot asks for more work than any real one')
  return scryptSync(secret.trim().normalize('NFC'), salt, 64, { N, r, p, maxmem: SCRYPT.maxmem * 8 })
}

function slotCheck(kek: Uint8Array): Buffer {
  return createHmac('sha256', kek.subarray(32)).update('permafrost slot check').digest()
}

// A key of its own for every slot and session, so a nonce of zeros is used once.
function slotPlace(about: string) {
  return { nonce: Buffer.alloc(12), context: [Buffer.from(about)] }
}

function sessionPlace(id: string) {
  return { nonce: Buffer.alloc(12), context: [Buffer.from(`session ${id}`)] }
}

function boxKey(shared: Buffer, between: { readonly ephemeral: Uint8Array; readonly recipient: Uint8Array }): Buffer {
  return deriveKey(shared, Buffer.concat([between.ephemeral, between.recipient]), { info: 'session key v1' })
}

// Node takes raw X25519 keys only inside their DER envelopes (RFC 8410).
const PKCS8 = Buffer.from('302e020100300506032b656e04220420', 'hex')
const SPKI = Buffer.from('302a300506032b656e032100', 'hex')

function privateKeyObject(raw: Uint8Array) {
  return createPrivateKey({ key: Buffer.concat([PKCS8, raw]), format: 'der', type: 'pkcs8' })
}

function publicKeyOf(privateKey: Uint8Array): Uint8Array {
  return createPublicKey(privateKeyObject(privateKey)).export({ format: 'der', type: 'spki' }).subarray(-32)
}

/** @throws Corrupt when the public key is none, or one that would make every secret the same */
function exchange(privateKey: Uint8Array, publicKey: Uint8Array): Buffer {
  try {
    const recipient = createPublicKey({ key: Buffer.concat([SPKI, publicKey]), format: 'der', type: 'spki' })
    return diffieHellman({ privateKey: privateKeyObject(privateKey), publicKey: recipient })
  } catch (error) {
    throw new Corrupt('is not an X25519 key', { cause: error })
  }
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64')
}
