import { isAbsolute } from 'node:path'
import { fileURLToPath } from 'node:url'
import { PermafrostError } from '../core/errors.ts'
import { fileStorage } from './file.ts'
import type { Storage } from './storage.ts'

/**
 * The storage at a location. Adapters are imported when they are needed.
 *
 * @param location `file:///absolute/path`
 * @throws CONFIG_INVALID when no adapter serves it
 */
export function openStorage(location: string): Storage {
  if (URL.canParse(location)) {
    const url = new URL(location)
    if (url.protocol === 'file:' && url.host === '') return fileStorage(fileURLToPath(url).replace(/(?<=.)\/+$/, ''))
    throw new PermafrostError('CONFIG_INVALID', `repository locations of kind ${url.protocol}// are not served`, {
      hint: 'use file:///absolute/path',
    })
  }
  const hint = isAbsolute(location) ? `file://${location}` : 'file:///absolute/path'
  throw new PermafrostError('CONFIG_INVALID', `repository location ${location} is not a URL`, { hint: `write ${hint}` })
}
