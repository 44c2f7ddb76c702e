import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { extname, join, sep } from 'node:path'
import type { Handler } from 'hono'

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.ico': 'image/x-icon',
  '.json': 'application/json',
  '.webmanifest': 'application/manifest+json',
  '.woff2': 'font/woff2',
}

const NOT_BUILT = 'The console is not built. The REST API is at /api/v1; npm run build makes the console.\n'

/**
 * The console's files, read once: a request chooses among them by name, and reaches no other file. Names that the build gave a
 * hash never change; the page itself is asked for again each time.
 */
export function consoleFiles(directory: string): Handler {
  const files = readAll(directory)
  return (c) => {
    const wanted = c.req.path === '/' ? '/index.html' : c.req.path
    const file = files.get(wanted)
    if (!file) return c.text(files.size === 0 ? NOT_BUILT : 'Not found\n', wanted === '/index.html' ? 200 : 404)
    c.header('Content-Type', file.type)
    c.header('ETag', file.etag)
    c.header('Cache-Control', wanted.startsWith('/assets/') ? 'public, max-age=31536000, immutable' : 'no-cache')
    return c.req.header('if-none-match') === file.etag ? c.body(null, 304) : c.body(file.body)
  }
}

interface ConsoleFile {
  readonly type: string
  readonly etag: string
  readonly body: Uint8Array<ArrayBuffer>
}

function readAll(directory: string): ReadonlyMap<string, ConsoleFile> {
  if (!existsSync(directory)) return new Map()
  const names = readdirSync(directory, { recursive: true, encoding: 'utf8' }).filter((name) => TYPES[extname(name)])
  return new Map(
    names.map((name) => {
      const body = new Uint8Array(readFileSync(join(directory, name)))
      const etag = `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`
      return [`/${name.replaceAll(sep, '/')}`, { body, etag, type: TYPES[extname(name)] ?? '' }]
    }),
  )
}
