import fc from 'fast-check'
import { expect, it } from 'vitest'
import { inBatches } from '../../../src/core/in-batches.ts'

it('batches keep the order and the weight, and are as large as that allows', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(100)), fc.integer({ min: 1, max: 150 }), (items, most) => {
      const sum = (batch: readonly number[]) => batch.reduce((total, one) => total + one, 0)
      const batches = inBatches(items, { weightOf: (item) => item, most })
      expect(batches.flat()).toEqual(items)
      for (const [index, batch] of batches.entries()) {
        expect(sum(batch) <= most || batch.length === 1).toBe(true)
        const [next = Number.POSITIVE_INFINITY] = batches[index + 1] ?? []
        expect(sum(batch) + next).toBeGreaterThan(most)
      }
    }),
  )
})
