import { describe, expect, it } from 'vitest'
import { lookAhead } from '../../../src/core/look-ahead.ts'

describe('looking ahead', () => {
  it('gives items in their order, and begins no more than it may', async () => {
    const begun: number[] = []
    const most: number[] = []
    const ahead = lookAhead([1, 2, 3, 4, 5, 6], {
      start: async (item) => {
        begun.push(item)
        return item * 10
      },
      weightOf: () => 1,
      most: 2,
    })
    const seen: (readonly [number, number])[] = []
    for await (const one of ahead) {
      seen.push(one)
      most.push(begun.length - seen.length)
    }
    expect(seen).toEqual([1, 2, 3, 4, 5, 6].map((item) => [item, item * 10]))
    expect(Math.max(...most)).toBe(2)
  })

  it('begins what weighs more than all that it may, one at a time', async () => {
    const begun: number[] = []
    const start = async (item: number) => void begun.push(item)
    for await (const [item] of lookAhead([1, 2, 3], { start, weightOf: () => 9, most: 2 })) {
      expect(begun.length).toBe(item)
    }
  })

  it('fails when the item that failed is at hand', async () => {
    const ahead = lookAhead([1, 2, 3], {
      start: async (item) => {
        if (item === 2) throw new Error('two')
        return item
      },
      weightOf: () => 1,
      most: 3,
    })
    expect((await ahead.next()).value).toEqual([1, 1])
    await expect(ahead.next()).rejects.toThrow('two')
  })
})
