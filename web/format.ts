import { formatSeconds } from '../src/core/units.ts'

// Times for people, in the browser's time zone; `<time>` carries the exact one.

const day = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short' })
const minute = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit' })
const second = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' })

/** `24 Nov, 03:00` */
export function formatTime(at: string): string {
  return minute.format(new Date(at))
}

/** `24 Nov` */
export function formatDay(at: string): string {
  return day.format(new Date(at))
}

/** `03:00:10` */
export function formatClock(at: string): string {
  return second.format(new Date(at))
}

/** In how long: `in 12 min`. */
export function formatUntil(at: string, now: number): string {
  const seconds = (Date.parse(at) - now) / 1000
  return seconds <= 0 ? 'now' : `in ${largest(seconds)}`
}

/** From one time to another: `1 min 22 s`. */
export function formatBetween(from: string, to: string): string {
  return formatSeconds(Math.max(0, (Date.parse(to) - Date.parse(from)) / 1000))
}

/** `1,234` */
export function formatCount(count: number): string {
  return count.toLocaleString('en-US')
}

/** `12.5 %` */
export function formatShare(part: number, whole: number): string {
  if (whole === 0) return '–'
  const percent = (100 * part) / whole
  return `${Number(percent.toFixed(percent < 10 ? 1 : 0))} %`
}

function largest(seconds: number): string {
  if (seconds < 90) return `${Math.ceil(seconds)} s`
  if (seconds < 90 * 60) return `${Math.round(seconds / 60)} min`
  if (seconds < 48 * 3600) return `${Math.round(seconds / 3600)} h`
  return `${Math.round(seconds / 86400)} d`
}
