import { PermafrostError } from './errors.ts'

/**
 * Refuse parts of a newer ClickHouse: it may have written what an older one cannot read, and ATTACH does not say so.
 *
 * @throws ENGINE_REFUSED
 */
export function refuseOlderServer(server: string, backup: string): void {
  if (compare(release(server), release(backup)) >= 0) return
  throw new PermafrostError(
    'ENGINE_REFUSED',
    `this server is ClickHouse ${server}, and the backup is of ${backup}: an older one may not read the parts of a newer`,
    {
      hint: [
        `restore to ClickHouse ${release(backup).join('.')} or newer`,
        'or, if you know that it can:  --any-version',
      ],
    },
  )
}

/** Year and month; before 2018, major and minor. */
function release(version: string): readonly number[] {
  return version.split('.').slice(0, 2).map(Number)
}

function compare([a = 0, b = 0]: readonly number[], [c = 0, d = 0]: readonly number[]): number {
  return a - c || b - d
}
