import fc from 'fast-check'
import { describe, it, expect } from 'vitest'
import { listPage } from '../../../src/engine/list-page.ts'

const name = fc.string({ unit: fc.constantFrom('a', 'b', '_', '%', '.'), minLength: 1, maxLength: 3 })
const key = fc.array(name, { minLength: 1, maxLength: 3 }).map((steps) => steps.join('/'))

describe('a listing, page by page', () => {
  it('shows every key once, and every folder once, whatever the size of a page', () => {
    const property = fc.property(
      fc.uniqueArray(key, { maxLength: 30 }),
      fc.integer({ min: 1, max: 5 }),
      fc.constantFrom('', 'a', 'a/'),
      (keys, most, prefix) => {
        const sorted = keys.toSorted((a, b) => (a < b ? -1 : 1))
        for (const delimiter of ['', '/']) {
          const seen: string[] = []
          let next: string | undefined = ''
          while (next !== undefined) {
            const page = listPage(sorted, { prefix, delimiter, most, after: next })
            expect(page.keys.length + page.folders.length).toBeLessThanOrEqual(most)
            seen.push(...page.keys, ...page.folders)
            next = page.next
          }
          const below = sorted.filter((one) => one.startsWith(prefix))
          const shown = below.map((one) => {
            const cut = delimiter === '' ? -1 : one.indexOf('/', prefix.length)
            return cut < 0 ? one : one.slice(0, cut + 1)
          })
          expect(seen.toSorted()).toEqual([...new Set(shown)].toSorted())
        }
      },
    )
    fc.assert(property)
  })
})
