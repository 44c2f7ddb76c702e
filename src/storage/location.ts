import { closest } from 'fastest-levenshtein'
import { isAbsolute } from 'node:path'
import { z } from 'zod'
import { PermafrostError } from '../core/errors.ts'

/** The parts of a location: `scheme://user@host:port/path?option=value`. */
export interface Location {
  readonly scheme: string
  readonly user: string | undefined
  /** A host; of object stores the bucket or the account. */
  readonly host: string
  readonly port: number | undefined
  /** Decoded, without slashes at its end. */
  readonly path: string
  readonly options: Readonly<Record<string, string>>
  /** For messages: without options and user. */
  readonly printed: string
}

/** Secrets by name, as `repository.credentials` has them. */
export type Credentials = Readonly<Record<string, string>>

/**
 * Take a location apart.
 *
 * @throws CONFIG_INVALID when it is no URL, or holds a password
 */
export function parseLocation(text: string): Location {
  if (!URL.canParse(text)) {
    const hint = isAbsolute(text) ? `file://${text}` : 'file:///absolute/path'
    throw new PermafrostError('CONFIG_INVALID', `repository location ${text} is not a URL`, { hint: `write ${hint}` })
  }
  const url = new URL(text)
  const printed = `${url.protocol}${url.host ? `//${url.host}` : url.protocol === 'file:' ? '//' : ''}${decode(url.pathname)}`
  if (url.password !== '')
    throw new PermafrostError('CONFIG_INVALID', `the location ${printed} holds a password`, {
      hint: 'take it out of the URL, and set repository.credentials: { password: "${file:/path}" }',
    })
  return {
    scheme: url.protocol.slice(0, -1),
    user: url.username === '' ? undefined : decode(url.username),
    host: url.hostname,
    port: url.port === '' ? undefined : Number(url.port),
    path: withoutEnd(decode(url.pathname)),
    options: Object.fromEntries(url.searchParams),
    printed: withoutEnd(printed),
  }
}

/**
 * A location's options, as its adapter knows them.
 *
 * @throws CONFIG_INVALID naming the option
 */
export function optionsOf<T extends z.ZodObject>(location: Location, schema: T): z.infer<T> {
  return known({ values: location.options, schema, what: 'option', where: location.printed })
}

/** The credentials for a location, as its adapter knows them. @throws CONFIG_INVALID naming one, never its value */
export function credentialsOf<T extends z.ZodObject>(
  location: Location,
  credentials: Credentials,
  schema: T,
): z.infer<T> {
  return known({ values: credentials, schema, what: 'credential', where: location.printed })
}

function known<T extends z.ZodObject>(given: {
  readonly values: Readonly<Record<string, string>>
  readonly schema: T
  readonly what: string
  readonly where: string
}): z.infer<T> {
  const { values, schema, what, where } = given
  const names = Object.keys(schema.shape)
  const strange = Object.keys(values).find((name) => !names.includes(name))
  if (strange !== undefined) {
    const hint =
      names.length > 0 ? `did you mean ${closest(strange, names)}? it knows ${names.join(', ')}` : 'leave it out'
    throw new PermafrostError('CONFIG_INVALID', `${where} has no ${what} ${strange}`, { hint })
  }
  const parsed = schema.safeParse(values)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  throw new PermafrostError('CONFIG_INVALID', `the ${what} ${String(issue?.path[0])} of ${where}: ${issue?.message}`)
}

/** The host, for a socket: an IPv6 address without its brackets. @throws CONFIG_INVALID when there is none */
export function hostOf({ host, printed }: Location): string {
  if (host !== '') return host.replace(/^\[|\]$/g, '')
  throw new PermafrostError('CONFIG_INVALID', `${printed} names no host`, { hint: 'write scheme://user@host/path' })
}

/** The directory on a server. @throws CONFIG_INVALID when there is none: a repository does not share the root with others */
export function directoryOf({ path, printed }: Location): string {
  if (path !== '' && path !== '/') return path
  throw new PermafrostError('CONFIG_INVALID', `${printed} names no directory`, {
    hint: 'write an absolute path, or /~/path below the one that the server starts in',
  })
}

/** Options that every location over HTTP has. */
export const HTTP_OPTIONS = {
  /** A file with the certificate of an authority to trust instead of the system's. */
  ca: z.string().optional(),
  /** A proxy’s URL; without it HTTPS_PROXY and NO_PROXY count. */
  proxy: z.string().optional(),
}

/** `yes` or `no` */
export const yesOrNo = z.enum(['yes', 'no']).transform((word) => word === 'yes')

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

function withoutEnd(path: string): string {
  return path.replace(/(?<=.)\/+$/, '')
}
