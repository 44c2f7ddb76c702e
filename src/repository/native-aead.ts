import type * as ForeignCalls from 'koffi'
import { createCipheriv, createHash } from 'node:crypto'
import { createRequire } from 'node:module'

/** A sealed text and its place, and where the result goes: all of it memory that exists already. */
export interface InPlace {
  readonly key: Uint8Array
  /** 12 bytes. */
  readonly nonce: Uint8Array
  readonly context: Uint8Array
  readonly from: Uint8Array
  readonly into: Uint8Array
}

/** OpenSSL's authenticated encryption from memory to memory. */
export interface NativeAead {
  /** Text and tag go to `into`, which is 16 bytes longer than `from`. */
  seal(frame: InPlace): void
  /** `from` is text and tag; whether they are authentic. `into` holds bytes that nobody vouches for where they are not. */
  open(frame: InPlace): boolean
}

type NativeSuite = 'aes-256-gcm' | 'chacha20-poly1305'

const TAG = 16
const ALGORITHM = { 'aes-256-gcm': 'EVP_aes_256_gcm', 'chacha20-poly1305': 'EVP_chacha20_poly1305' } as const
const GET_TAG = 0x10
const SET_TAG = 0x11
const loaded = new Map<NativeSuite, NativeAead | undefined>()

/**
 * The OpenSSL that Node.js itself runs, called without Node.js between: `node:crypto` returns new memory for every frame,
 * which the kernel clears, another copy empties and the garbage collector counts (1.6 GB/s, with this 2.7: `docs/performance.md`).
 * Absent where the package for foreign calls is, and where its first frame is not what `node:crypto` makes of it.
 */
export function nativeAead(suite: NativeSuite): NativeAead | undefined {
  if (!loaded.has(suite)) loaded.set(suite, load(suite))
  return loaded.get(suite)
}

function load(suite: NativeSuite): NativeAead | undefined {
  try {
    const aead = bind(suite)
    return agrees(aead, suite) ? aead : undefined
  } catch {
    return undefined
  }
}

// https://docs.openssl.org/3.0/man3/EVP_EncryptInit/, “AEAD interface”. OpenSSL reads the lengths that it is told, so every
// one of them is taken from the array itself.
function bind(suite: NativeSuite): NativeAead {
  const koffi = createRequire(import.meta.url)('koffi') as typeof ForeignCalls
  const self = koffi.load(null)
  const algorithm: unknown = self.func(`void *${ALGORITHM[suite]}()`)()
  const init = self.func(
    'int EVP_CipherInit_ex(void *context, void *type, void *engine, void *key, void *iv, int encrypt)',
  )
  const update = self.func('int EVP_CipherUpdate(void *context, void *out, void *written, void *in, int length)')
  const final = self.func('int EVP_CipherFinal_ex(void *context, void *out, void *written)')
  const control = self.func('int EVP_CIPHER_CTX_ctrl(void *context, int type, int length, void *bytes)')
  // One for each direction, as long as the thread lives: a new key is cheaper than a new context.
  const makeContext = self.func('void *EVP_CIPHER_CTX_new()')
  const written = new Int32Array(1)
  const none = new Uint8Array(TAG)

  const crypt = (encrypt: 0 | 1) => {
    const context: unknown = makeContext()
    must(init(context, algorithm, null, null, null, encrypt))
    return ({ key, nonce, context: about, into }: InPlace, text: Uint8Array): unknown => {
      if (key.length !== 32 || nonce.length !== 12 || into.length < text.length)
        throw new RangeError('of another length')
      must(init(context, null, null, key, nonce, encrypt))
      must(update(context, null, written, about, about.length))
      must(update(context, into, written, text, text.length))
      return context
    }
  }
  const encrypt = crypt(1)
  const decrypt = crypt(0)
  return {
    seal: (frame) => {
      const tag = frame.into.subarray(frame.from.length, frame.from.length + TAG)
      if (tag.length !== TAG) throw new RangeError('no room for the tag')
      const context = encrypt(frame, frame.from)
      must(final(context, none, written))
      must(control(context, GET_TAG, TAG, tag))
    },
    open: (frame) => {
      const tag = frame.from.subarray(-TAG)
      if (tag.length !== TAG) return false
      const context = decrypt(frame, frame.from.subarray(0, -TAG))
      must(control(context, SET_TAG, TAG, tag))
      return final(context, none, written) === 1
    },
  }
}

function must(result: unknown): void {
  if (result !== 1) throw new Error('OpenSSL refused a call')
}

function agrees(aead: NativeAead, suite: NativeSuite): boolean {
  const example = (bytes: number) => createHash('shake256', { outputLength: bytes }).update(suite).digest()
  const [key, nonce, context, from] = [example(32), example(12), example(132), example(100_000)]
  const cipher = createCipheriv(suite as 'aes-256-gcm', key, nonce, { authTagLength: TAG })
  cipher.setAAD(context, { plaintextLength: from.length })
  const expected = Buffer.concat([cipher.update(from), cipher.final(), cipher.getAuthTag()])
  const sealed = Buffer.alloc(from.length + TAG)
  aead.seal({ key, nonce, context, from, into: sealed })
  const opened = Buffer.alloc(from.length)
  const isAuthentic = aead.open({ key, nonce, context, from: sealed, into: opened })
  sealed[0] = (sealed[0] ?? 0) ^ 1
  const isForged = aead.open({ key, nonce, context, from: sealed, into: Buffer.alloc(from.length) })
  sealed[0] ^= 1
  return sealed.equals(expected) && isAuthentic && opened.equals(from) && !isForged
}
