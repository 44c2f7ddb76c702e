import { z } from 'zod'
import { ftpStorage } from './ftp.ts'
import { readAuthority } from './http-dispatcher.ts'
import { credentialsOf, directoryOf, HTTP_OPTIONS, hostOf, optionsOf } from './location.ts'
import type { OpenAdapter } from './open.ts'

const FTP = z.object({})
const FTPS = z.object({ ca: HTTP_OPTIONS.ca, tls: z.enum(['explicit', 'implicit']).optional() })
const CREDENTIALS = z.object({ password: z.string().optional() })

/** `ftp://user@host/path`, `ftps://…` */
export const openFtpLocation: OpenAdapter = async (location, { credentials }) => {
  const secure = location.scheme === 'ftps'
  const options: z.infer<typeof FTPS> = optionsOf(location, secure ? FTPS : FTP)
  const { password = '' } = credentialsOf(location, credentials, CREDENTIALS)
  const tls = secure ? (options.tls ?? (location.port === 990 ? 'implicit' : 'explicit')) : 'none'
  return ftpStorage({
    host: hostOf(location),
    port: location.port ?? (tls === 'implicit' ? 990 : 21),
    user: location.user ?? 'anonymous',
    password,
    path: directoryOf(location),
    tls,
    ca: options.ca === undefined ? undefined : readAuthority(options.ca),
  })
}
