import { z } from 'zod'
import { credentialsOf, HTTP_OPTIONS, optionsOf } from './location.ts'
import type { OpenAdapter } from './open.ts'
import { webdavStorage } from './webdav.ts'

const OPTIONS = z.object(HTTP_OPTIONS)
const CREDENTIALS = z.object({ password: z.string().optional() })

/** `webdavs://user@host/path` is over TLS, `webdav://…` is not. */
export const openWebdav: OpenAdapter = async (location, { credentials }) => {
  const { scheme, host, port, user } = location
  const url = new URL(`${scheme === 'webdavs' ? 'https' : 'http'}://${host}${port === undefined ? '' : `:${port}`}`)
  url.pathname = location.path
  const { password } = credentialsOf(location, credentials, CREDENTIALS)
  return webdavStorage({ url: url.href, user, password, ...optionsOf(location, OPTIONS) })
}
