import { createCipheriv, createDecipheriv, createHash, createSecretKey, hkdfSync } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { Corrupt } from '../core/corrupt.ts'

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

/** Authenticated encryption below one key. */
export interface Aead {
  seal(plain: Uint8Array, place: Place): { readonly text: Uint8Array; readonly tag: Uint8Array }
  /** @throws Corrupt when text, tag, nonce or context is another than what was sealed, or the key is. */
  open(text: Uint8Array, tag: Uint8Array, place: Place): Uint8Array
}

/**
 * The suite's authenticated encryption. Of `none` the text is the plaintext, and the tag is the first 16 bytes of
 * SHA-256(context ‖ nonce ‖ text): it finds damage, not forgery.
 */
export function aead(suite: Suite, key: Uint8Array): Aead {
  if (suite === 'none') return digestOnly
  // Node.js makes an object of raw bytes at every call, which takes longer than to seal a small frame.
  const secret = createSecretKey(key)
  return { seal: sealWith(suite, secret), open: openWith(suite, secret) }
}

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
  seal: (plain, place) => ({ text: plain, tag: digestTag(plain, place) }),
  open: (text, tag, place) => {
    if (!digestTag(text, place).equals(tag)) throw new Corrupt('fails its checksum')
    return text
  },
}

function digestTag(text: Uint8Array, { nonce, context }: Place): Buffer {
  return sha256(...context, nonce, text).subarray(0, TAG)
}

// Node types the two suites apart; they are used in the same way.
type GcmLike = 'aes-256-gcm'
const OPTIONS = { authTagLength: TAG }

function sealWith(suite: Exclude<Suite, 'none'>, key: KeyObject): Aead['seal'] {
  return (plain, { nonce, context }) => {
    const cipher = createCipheriv(suite as GcmLike, key, nonce, OPTIONS)
    cipher.setAAD(Buffer.concat(context), { plaintextLength: plain.length })
    const text = cipher.update(plain)
    cipher.final()
    return { text, tag: cipher.getAuthTag() }
  }
}

function openWith(suite: Exclude<Suite, 'none'>, key: KeyObject): Aead['open'] {
  return (text, tag, { nonce, context }) => {
    const decipher = createDecipheriv(suite as GcmLike, key, nonce, OPTIONS)
    decipher.setAAD(Buffer.concat(context), { plaintextLength: text.length })
    decipher.setAuthTag(tag)
    const plain = decipher.update(text)
    try {
      decipher.final()
    } catch (error) {
      throw new Corrupt('fails authentication', { cause: error })
    }
    return plain
  }
}
