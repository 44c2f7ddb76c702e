import { PermafrostError } from './errors.ts'
import { identifier, sql } from './sql.ts'
import type { Sql } from './sql.ts'

/**
 * Where the server puts a backup of its own. Credentials are never in it: they are the server's role, or stand in a named collection.
 *
 * @param place `disk:<name>/<prefix>`, `file:<path>`, `s3:<named collection>/<prefix>`, `azure:<named collection>/<prefix>`, or the
 *   `https://` address of a bucket
 * @throws CONFIG_INVALID
 */
export function nativeTarget(place: string, id: string): Sql {
  const [, kind, first = '', rest = ''] = /^(disk|file|s3|azure|https?):([^/]*)(?:\/(.*))?$/s.exec(place) ?? []
  const path = [...rest.split('/'), id].filter((step) => step !== '').join('/')
  switch (kind) {
    case 'disk':
      if (first !== '') return sql`Disk(${first}, ${path})`
      break
    case 'file':
      return sql`File(${`${place.slice('file:'.length).replace(/\/+$/, '')}/${id}`})`
    case 's3':
      if (first !== '') return sql`S3(${identifier(first)}, ${path})`
      break
    case 'azure':
      if (first !== '') return sql`AzureBlobStorage(${identifier(first)}, ${path})`
      break
    case 'http':
    case 'https':
      return sql`S3(${`${place.replace(/\/+$/, '')}/${id}`})`
    default:
  }
  throw new PermafrostError('CONFIG_INVALID', `native-to: ${place} is no place for a backup of the server's own`, {
    hint: 'write disk:backups/permafrost, file:/backups, s3:<named collection>/prefix, or https://bucket.s3.amazonaws.com/prefix',
  })
}
