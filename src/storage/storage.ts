/** Bytes `[offset, offset + length)` of an object. */
export interface Range {
  readonly offset: number
  readonly length: number
}

/** The length of a range that ends where the object does. */
export const TO_THE_END = Number.MAX_SAFE_INTEGER

export interface ObjectInfo {
  readonly key: string
  /** Bytes. */
  readonly size: number
  /** When it was stored, by the store's own clock; absent where a store does not tell. */
  readonly modified?: Date
}

export interface CallOptions {
  readonly signal?: AbortSignal | undefined
  /** Called with the bytes as they move, either way: a call in which none move for long is given up, and a read goes on at the last. */
  readonly onBytes?: ((bytes: Uint8Array) => void) | undefined
}

export interface PutOptions extends CallOptions {
  readonly ifAbsent?: boolean
  /** SHA-256 of the body, in hex, where it is known: a store that checks it need not be told another hash. */
  readonly sha256?: string | undefined
}

/** What a store can do beyond the least that is asked of it. */
export interface Traits {
  /** Whether `put({ ifAbsent })` is decided by the store itself, so that two writers cannot both win. */
  readonly atomicCreate: boolean
  /** How many requests at a time still help. */
  readonly connections: number
  /** Whether `onBytes` is called; where it is not, a call gets time by its size. */
  readonly reportsBytes?: boolean
}

/**
 * Bytes under keys. Objects are whole: a reader sees the old one, the new one, or none. Keys are `[a-z0-9/._-]`, at most 200
 * characters. Every method throws STORAGE_UNAVAILABLE (or UNAUTHORIZED) when the store does not answer as it should; what is
 * not there is a value, not an error.
 */
export interface Storage {
  /** For messages: never holds credentials. */
  readonly location: string
  readonly traits: Traits
  /** The object's bytes, or exactly the range of them; `undefined` when there is no such object. */
  get(
    key: string,
    options?: CallOptions & { readonly range?: Range | undefined },
  ): Promise<Uint8Array<ArrayBuffer> | undefined>
  /** Store an object durably. With `ifAbsent`, an object that is there already stays as it is. */
  put(key: string, body: Uint8Array, options?: PutOptions): Promise<'created' | 'exists'>
  head(key: string, options?: CallOptions): Promise<ObjectInfo | undefined>
  /**
   * Every object whose key starts with the prefix, in the order of keys. Throws rather than end early. Keys up to `after` are
   * known already: a store that can start behind them does.
   */
  list(prefix: string, options?: CallOptions & { readonly after?: string | undefined }): AsyncIterable<ObjectInfo>
  /** Objects that are not there are no error. */
  delete(keys: readonly string[], options?: CallOptions): Promise<void>
  /** Where objects are locked for a time: lock one anew when less than half of that is left. */
  readonly extendLock?: (key: string, options?: CallOptions) => Promise<void>
}

const KEY = /^[a-z0-9][a-z0-9._-]*(\/[a-z0-9][a-z0-9._-]*)*$/i

/** Is this a key that every store takes and that stays below its root? */
export function isKey(key: string): boolean {
  return key.length <= 200 && KEY.test(key)
}
