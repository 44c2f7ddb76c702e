const BINARY = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'] as const
const DECIMAL: Readonly<Record<string, number>> = { KB: 1e3, MB: 1e6, GB: 1e9, TB: 1e12, PB: 1e15 }
const SECONDS: Readonly<Record<string, number>> = { ms: 0.001, s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 }

export const MIB = 1024 * 1024

/**
 * Bytes for people: three significant digits at most, binary units.
 *
 * @example
 * formatBytes(1536) // '1.5 KiB'
 */
export function formatBytes(bytes: number): string {
  let value = bytes
  let unit = 0
  while (Math.abs(value) >= 999.5 && unit < BINARY.length - 1) {
    value /= 1024
    unit++
  }
  const digits = unit === 0 || Math.abs(value) >= 99.95 ? 0 : Math.abs(value) >= 9.995 ? 1 : 2
  return `${Number(value.toFixed(digits))} ${BINARY[unit] ?? 'B'}`
}

/**
 * `512MiB`, `50 GB`, `1024` → bytes; `undefined` when it is none of these.
 *
 * @example
 * parseBytes('64MiB') // 67108864
 */
export function parseBytes(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*([KMGTP]i?B|B)?$/i.exec(text.trim())
  if (!match?.[1]) return undefined
  const unit = (match[2] ?? 'B').toLowerCase()
  const binary = BINARY.findIndex((name) => name.toLowerCase() === unit)
  const factor = binary >= 0 ? 1024 ** binary : DECIMAL[unit.toUpperCase()]
  return factor === undefined ? undefined : Math.round(Number(match[1]) * factor)
}

/**
 * Bytes that {@link parseBytes} reads back to the byte, in the largest unit that divides them.
 *
 * @example
 * writeBytes(67108864) // '64MiB'
 */
export function writeBytes(bytes: number): string {
  const unit = bytes > 0 ? BINARY.findLastIndex((_, power) => bytes % 1024 ** power === 0) : 0
  return `${bytes / 1024 ** unit}${BINARY[unit]}`
}

/**
 * Seconds for people.
 *
 * @example
 * formatSeconds(82) // '1 min 22 s'
 */
export function formatSeconds(seconds: number): string {
  if (seconds < 10) return `${seconds.toFixed(1)} s`
  if (seconds < 60) return `${Math.round(seconds)} s`
  const minutes = Math.floor(Math.round(seconds) / 60)
  if (minutes < 60) return `${minutes} min ${Math.round(seconds) % 60} s`
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`
}

/**
 * `90s`, `15m`, `24h`, `7d`, `1h30m` → seconds; `undefined` when it is none of these.
 *
 * @example
 * parseDuration('1h30m') // 5400
 */
export function parseDuration(text: string): number | undefined {
  const compact = text.replaceAll(' ', '')
  if (!/^(\d+(?:\.\d+)?(?:ms|s|m|h|d|w))+$/.test(compact)) return undefined
  const parts = compact.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d|w)/g)
  return [...parts].reduce((sum, [, value, unit]) => sum + Number(value) * (SECONDS[unit ?? 's'] ?? 1), 0)
}

/**
 * Seconds that {@link parseDuration} reads back, in the largest unit that divides them.
 *
 * @example
 * writeDuration(129600) // '36h'
 */
export function writeDuration(seconds: number): string {
  const units = ['d', 'h', 'm', 's'] as const
  const unit = units.find((name) => seconds > 0 && seconds % (SECONDS[name] ?? 1) === 0) ?? 's'
  return `${seconds / (SECONDS[unit] ?? 1)}${unit}`
}

/**
 * How long ago, in the largest unit that makes sense.
 *
 * @param at ISO 8601
 * @example
 * ageOf('2026-11-24T09:00:00Z', new Date('2026-11-24T12:10:00Z')) // '3 h ago'
 */
export function ageOf(at: string, now: Date): string {
  const seconds = Math.max(0, (now.getTime() - Date.parse(at)) / 1000)
  if (seconds < 60) return 'now'
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`
  if (seconds < 48 * 3600) return `${Math.floor(seconds / 3600)} h ago`
  return `${Math.floor(seconds / 86400)} d ago`
}

/**
 * A count for people. Not `toLocaleString`, which takes 30 ms when it is first called.
 *
 * @example
 * formatCount(1234567) // '1,234,567'
 */
export function formatCount(count: number): string {
  return String(count).replaceAll(/\B(?=(?:\d{3})+$)/g, ',')
}

/** A count with its noun: `1 table`, `2 tables`. */
export function plural(count: number, noun: string): string {
  return `${formatCount(count)} ${noun}${count === 1 ? '' : 's'}`
}
