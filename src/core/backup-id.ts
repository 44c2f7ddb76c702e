import { PermafrostError } from './errors.ts'

const ALPHABET = '0123456789abcdefghijklmnopqrstuvwxyz'
const ID = /^\d{8}T\d{6}Z-[0-9a-z]{6}$/

/**
 * A backup's id: when, to the second in UTC, and six random characters, so that ids sort by time and never meet.
 *
 * @param random at least six bytes
 * @example
 * makeBackupId(new Date('2026-11-22T03:00:00Z'), new Uint8Array(6)) // '20261122T030000Z-000000'
 */
export function makeBackupId(at: Date, random: Uint8Array): string {
  const time = at.toISOString().replace(/[-:]|\.\d+/g, '')
  const tail = [...random.subarray(0, 6)].map((byte) => ALPHABET[byte % ALPHABET.length]).join('')
  return `${time}-${tail}`
}

export function isBackupId(text: string): boolean {
  return ID.test(text)
}

/** When a backup was begun, to the second; not of what is no id. */
export function backupTime(id: string): Date | undefined {
  if (!isBackupId(id)) return undefined
  const [day, time] = [id.slice(0, 8), id.slice(9, 15)]
  return new Date(
    `${day.slice(0, 4)}-${day.slice(4, 6)}-${day.slice(6)}T${time.slice(0, 2)}:${time.slice(2, 4)}:${time.slice(4)}Z`,
  )
}

/** Enough of a backup to find it by what a person types. */
export interface BackupName {
  readonly id: string
  readonly host: string
}

/**
 * The backup that is meant by an id, a unique prefix, the six last characters, `latest` or `latest@<host>`.
 *
 * @param backups oldest first
 * @throws NOT_FOUND when none fits, USAGE when several do
 */
export function resolveBackup<T extends BackupName>(text: string, backups: readonly T[]): T {
  const [wanted, host] = text.split('@', 2)
  const known = backups.filter((backup) => host === undefined || backup.host === host)
  const found = wanted === 'latest' ? known.slice(-1) : known.filter((backup) => names(text, backup.id))
  const [first, second] = found
  if (first && !second) return first
  if (second) {
    const ids = found.map((backup) => backup.id)
    throw new PermafrostError('USAGE', `${text} fits ${ids.length} backups`, { hint: ids.slice(0, 5) })
  }
  const hint = backups.length > 0 ? 'permafrost list' : 'the repository holds no backup yet: permafrost backup'
  throw new PermafrostError('NOT_FOUND', `no backup ${text}`, { hint })
}

function names(text: string, id: string): boolean {
  return text.length >= 4 && (id.startsWith(text) || id.slice(-6).startsWith(text))
}
