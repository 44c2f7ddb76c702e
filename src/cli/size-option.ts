import { PermafrostError } from '../core/errors.ts'
import { parseBytes } from '../core/units.ts'

/**
 * The bytes that an option names: `512MiB`; none when it was not given.
 *
 * @throws USAGE when its value is not a size
 */
export function sizeOption(flag: string, text: string | undefined): number | undefined {
  const bytes = text === undefined ? undefined : parseBytes(text)
  if (text === undefined || bytes !== undefined) return bytes
  throw new PermafrostError('USAGE', `${flag} ${text} is not a size`, { hint: 'write 512MiB' })
}
