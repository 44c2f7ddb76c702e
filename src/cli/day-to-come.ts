import { PermafrostError } from '../core/errors.ts'

/**
 * What was typed after `--keep-until`: a day, to its end in UTC, or a time.
 *
 * @throws USAGE when it is none, or has passed
 */
export function dayToCome(text: string, now: Date): Date {
  const date = new Date(/^\d{4}-\d\d-\d\d$/.test(text) ? `${text}T23:59:59Z` : text)
  if (date > now) return date
  throw new PermafrostError('USAGE', `--keep-until ${text} is not a day to come`, { hint: 'write 2027-12-31' })
}
