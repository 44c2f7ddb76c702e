import { Corrupt } from '../../src/core/corrupt.ts'

/** What a decoder made of some bytes; it may throw nothing but Corrupt. */
export function outcomeOf(decode: () => unknown): 'decoded' | 'corrupt' {
  try {
    decode()
    return 'decoded'
  } catch (error) {
    if (error instanceof Corrupt) return 'corrupt'
    throw error
  }
}
