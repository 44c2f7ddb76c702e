import { createCipheriv, createDecipheriv, createHash, createSecretKey, hkdfSync } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { Corrupt, must } from '../core/corrupt.ts'
import { giveBack } from './give-back.ts'
import { nativeAead } from './native-aead.ts'

/** How a repository is sealed. `none` keeps bytes readable and still checks every one of them. */
export type Suite = 'aes-256-gcm' | 'chacha20-poly1305' | 'none'

export const SUITES: readonly Suite[] = ['none', 'aes-256-gcm', 'chacha20-poly1305']
export const TAG = 16

/** Where a sealed text stands: the nonce is unique below its key, the context is authenticated with it. */
export interface Place {
  /** 12 bytes. */
  readonly nonce: Uint8Array
  readonly context: readonly Uint8Array[]
}

/** Authenticated encryption below one key. A sealed text is as long as the plaintext, and its tag follows it. */
export interface Aead {
  /** @param into where the sealed text goes, when there is room for it already */
  seal(plain: Uint8Array, place: Place, into?: Uint8Array): Uint8Array
  /**
   * @param into memory to open it in; the plaintext may lie elsewhere all the same
   * @throws Corrupt when text, tag, nonce or context is another than what was sealed, or the key is
   */
  open(sealed: Uint8Array, place: Place, into?: Uint8Array): Uint8Array
}

/**
 * The suite's authenticated encryption. Of `none` the text is the plaintext, and the tag is the first 16 bytes of
 * SHA-256(context ‖ nonce ‖ text): it finds damage, not forgery.
 *
 * @param native for texts of 16 KiB and more, and for small ones when there are many
 */
export function aead(suite: Suite, key: Uint8Array, native = nativeAead): Aead {
  if (suite === 'none') return digestOnly
  // Node.js makes an object of raw bytes at every call, which takes longer than to seal a small frame.
  const secret = createSecretKey(key)
  const inPlaceOf = (text: Uint8Array) => (text.length < LARGE && small++ < MANY ? undefined : native(suite))
  return {
    seal: (plain, place, into = Buffer.allocUnsafeSlow(plain.length + TAG)) => {
      const inPlace = inPlaceOf(plain)
      if (inPlace) inPlace.seal({ ...around(key, place), from: plain, into })
      else sealByNode(plain, { ...around(secret, place), suite, into })
      return into.subarray(0, plain.length + TAG)
    },
    open: (sealed, place, into) => {
      must(sealed.length >= TAG, 'is cut short')
      const inPlace = inPlaceOf(sealed)
      if (!inPlace) return openByNode(sealed, { ...around(secret, place), suite })
      const plain = into ?? Buffer.allocUnsafeSlow(sealed.length - TAG)
      const isAuthentic = inPlace.open({ ...around(key, place), from: sealed, into: plain })
      must(isAuthentic, 'fails authentication')
      return plain.subarray(0, sealed.length - TAG)
    },
  }
}

/** Less is not worth the 20 milliseconds that the package for foreign calls takes to load. */
const LARGE = 16 * 1024
const MANY = 500
let small = 0

/** HKDF-SHA-256. Every key of Permafrost is derived for one purpose, which is its `info`. */
export function deriveKey(
  key: Uint8Array,
  salt: Uint8Array,
  purpose: { readonly info: string; readonly length?: number },
): Buffer {
  return Buffer.from(hkdfSync('sha256', createSecretKey(key), salt, `permafrost ${purpose.info}`, purpose.length ?? 32))
}

export function sha256(...chunks: readonly Uint8Array[]): Buffer {
  const hash = createHash('sha256')
  for (const chunk of chunks) hash.update(chunk)
  return hash.digest()
}

const digestOnly: Aead = {
  seal: (plain, place, into = Buffer.allocUnsafeSlow(plain.length + TAG)) => {
    into.set(plain)
    into.set(digestTag(plain, place), plain.length)
    return into.subarray(0, plain.length + TAG)
  },
  open: (sealed, place) => {
    must(sealed.length >= TAG, 'is cut short')
    const text = sealed.subarray(0, -TAG)
    must(digestTag(text, place).equals(sealed.subarray(-TAG)), 'fails its checksum')
    return text
  },
}

function digestTag(text: Uint8Array, { nonce, context }: Place): Buffer {
  return sha256(...context, nonce, text).subarray(0, TAG)
}

function around<K>(key: K, { nonce, context }: Place): ByKey<K> {
  return { key, nonce, context: Buffer.concat(context) }
}

interface ByKey<K> {
  readonly key: K
  readonly nonce: Uint8Array
  readonly context: Uint8Array
}

interface ByNode extends ByKey<KeyObject> {
  readonly suite: Exclude<Suite, 'none'>
}

// Node types the two suites apart; they are used in the same way.
type GcmLike = 'aes-256-gcm'
const OPTIONS = { authTagLength: TAG }

function sealByNode(
  plain: Uint8Array,
  { suite, key, nonce, context, into }: ByNode & { readonly into: Uint8Array },
): void {
  const cipher = createCipheriv(suite as GcmLike, key, nonce, OPTIONS)
  cipher.setAAD(context, { plaintextLength: plain.length })
  const text = cipher.update(plain)
  cipher.final()
  into.set(text)
  into.set(cipher.getAuthTag(), plain.length)
  giveBack(text)
}

function openByNode(sealed: Uint8Array, { suite, key, nonce, context }: ByNode): Uint8Array {
  const decipher = createDecipheriv(suite as GcmLike, key, nonce, OPTIONS)
  decipher.setAAD(context, { plaintextLength: sealed.length - TAG })
  decipher.setAuthTag(sealed.subarray(-TAG))
  const plain = decipher.update(sealed.subarray(0, -TAG))
  try {
    decipher.final()
  } catch (error) {
    throw new Corrupt('fails authentication', { cause: error })
  }
  return plain
}
