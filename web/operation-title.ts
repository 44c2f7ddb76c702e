import type { Operation } from './types.ts'

/** `Backup`, `Restore of 20261122T030000Z-k3f9qa` */
export function operationTitle({ kind, request }: Operation): string {
  const name = kind.charAt(0).toUpperCase() + kind.slice(1)
  const backup = request['backup'] ?? (Array.isArray(request['backups']) ? request['backups'].join(', ') : undefined)
  return typeof backup === 'string' && backup !== '' ? `${name} of ${backup}` : name
}
