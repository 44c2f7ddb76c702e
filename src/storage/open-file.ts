import { z } from 'zod'
import { PermafrostError } from '../core/errors.ts'
import { fileStorage } from './file.ts'
import { optionsOf } from './location.ts'
import type { OpenAdapter } from './open.ts'

/** `file:///absolute/path` */
export const openFile: OpenAdapter = async (location) => {
  optionsOf(location, z.object({}))
  if (location.host !== '')
    throw new PermafrostError('CONFIG_INVALID', `${location.printed} names a host`, {
      hint: 'write file:///absolute/path: three slashes',
    })
  return fileStorage(location.path)
}
