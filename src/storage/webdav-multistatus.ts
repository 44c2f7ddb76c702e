import { XMLParser, XMLValidator } from 'fast-xml-parser'
import { StorageError } from './storage-error.ts'
import type { DirectoryEntry } from './walk.ts'

export interface WebdavEntry extends DirectoryEntry {
  /** Whether it is what was asked about, and not something in it. */
  readonly self: boolean
  readonly size: number
  readonly modified: Date | undefined
}

/** The properties that `readMultistatus` wants. */
export const PROPFIND =
  '<?xml version="1.0"?><propfind xmlns="DAV:"><prop><resourcetype/><getcontentlength/><getlastmodified/></prop></propfind>'

const parser = new XMLParser({
  removeNSPrefix: true,
  ignoreAttributes: true,
  parseTagValue: false,
  isArray: (name) => name === 'response' || name === 'propstat',
})

interface Multistatus {
  readonly multistatus?: { readonly response?: readonly Response[] } | ''
}

interface Response {
  readonly href?: string
  readonly propstat?: readonly { readonly status?: string; readonly prop?: Properties }[]
}

interface Properties {
  readonly resourcetype?: unknown
  readonly getcontentlength?: string
  readonly getlastmodified?: string
}

/**
 * What an answer to PROPFIND describes: a collection and what is in it, or one file.
 *
 * @param url what was asked about
 */
export function readMultistatus(xml: string, url: string): readonly WebdavEntry[] {
  const whole = XMLValidator.validate(xml)
  const { multistatus } = whole === true ? (parser.parse(xml) as Multistatus) : {}
  if (multistatus === undefined)
    throw new StorageError('broken', `the list of ${new URL(url).pathname} is no whole answer to PROPFIND`)
  const responses = multistatus === '' ? [] : (multistatus.response ?? [])
  return responses.map(({ href = '', propstat = [] }) => {
    const path = pathOf(href, url)
    const properties = propstat.find(({ status }) => status?.includes(' 200'))?.prop ?? {}
    const { resourcetype, getcontentlength, getlastmodified } = properties
    return {
      self: path === pathOf(url, url),
      name: path.slice(path.lastIndexOf('/') + 1),
      directory: typeof resourcetype === 'object' && resourcetype !== null && 'collection' in resourcetype,
      size: Number(getcontentlength ?? 0),
      modified: getlastmodified === undefined ? undefined : new Date(getlastmodified),
    }
  })
}

/** Servers write a whole URL or a path, with a slash at the end of a collection or without. */
function pathOf(href: string, url: string): string {
  return decodeURIComponent(new URL(href, url).pathname).replace(/\/+$/, '')
}
