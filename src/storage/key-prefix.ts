import { PermafrostError } from '../core/errors.ts'
import { isKey } from './storage.ts'

/** How keys stand in a bucket that holds other things too. */
export interface KeyPrefix {
  /** What every name begins with: empty, or with a slash at its end. */
  readonly prefix: string
  /** @throws INTERNAL when it is no key: nothing outside the prefix is ever touched */
  nameOf(key: string): string
  keyOf(name: string): string
}

/** @param path of a location: `/backups/prod` */
export function keyPrefix(path: string): KeyPrefix {
  const trimmed = path.replace(/^\/+/, '')
  const prefix = trimmed === '' ? '' : `${trimmed}/`
  return {
    prefix,
    nameOf: (key) => {
      if (!isKey(key)) throw new PermafrostError('INTERNAL', `${JSON.stringify(key)} is not a key`)
      return prefix + key
    },
    keyOf: (name) => name.slice(prefix.length),
  }
}
