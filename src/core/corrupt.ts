/**
 * Bytes that do not mean what they should: cut short, flipped, forged, or out of bounds. Every decoder throws this and
 * nothing else, so that a caller can turn it into a finding that names the part, the pack or the record.
 */
export class Corrupt extends Error {
  override readonly name = 'Corrupt'
}

/** Assert a fact about bytes from outside. */
export function must(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Corrupt(message)
}
