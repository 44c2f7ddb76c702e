import { z } from 'zod'
import { PermafrostError } from '../core/errors.ts'
import { credentialsOf, optionsOf } from './location.ts'
import type { OpenAdapter } from './open.ts'
import { rcloneStorage } from './rclone.ts'

/** A remote by its name. rclone takes one spelled out as well, but that may hold secrets, and the arguments of a process are public. */
const REMOTE = /^[\w.+@][\w.+@ -]*:/

/** `rclone:name:path` */
export const openRclone: OpenAdapter = async (location, { credentials }) => {
  optionsOf(location, z.object({}))
  credentialsOf(location, credentials, z.object({}))
  if (!REMOTE.test(location.path))
    throw new PermafrostError('CONFIG_INVALID', 'an rclone location names a remote of rclone’s configuration', {
      hint: 'make one with: rclone config, then write rclone:name:path',
    })
  return rcloneStorage(location.path)
}
