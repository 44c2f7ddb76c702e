import { describe, expect, it } from 'vitest'
import { addEntry, NOTHING_YET, rateOf, ratesOf, secondsLeft } from '../../../web/operation-view.ts'
import type { OperationView } from '../../../web/operation-view.ts'
import { EVERYTHING, proposedName, requestOf, restoreWords } from '../../../web/restore-request.ts'
import type { LogEntry, Table } from '../../../web/types.ts'

const MIB = 1 << 20

function progress(seq: number, second: number, mebibytes: number): LogEntry {
  const at = new Date(Date.UTC(2026, 10, 25) + second * 1000).toISOString()
  const total = { bytes: 100 * MIB, parts: 10 }
  return { type: 'progress', seq, at, phase: 'store', done: { bytes: mebibytes * MIB, parts: 1 }, total, current: 'p' }
}

const follow = (...entries: readonly LogEntry[]): OperationView => entries.reduce(addEntry, NOTHING_YET)

describe('an operation that is followed', () => {
  it('has a rate when two moments are known, and time left from it', () => {
    expect(rateOf(follow(progress(1, 0, 10)))).toBeUndefined()
    const view = follow(progress(1, 0, 10), progress(2, 4, 50))
    expect(rateOf(view)).toBe(10 * MIB)
    expect(secondsLeft(view)).toBe(5)
  })

  it('has the rate of the last seconds: a stall shows, and so does its end', () => {
    const stalled = follow(progress(1, 0, 0), progress(2, 5, 50), progress(3, 20, 50), progress(4, 25, 50))
    expect(rateOf(stalled)).toBe(0)
    expect(ratesOf(stalled)).toEqual([10 * MIB, 0, 0])
    expect(rateOf(addEntry(stalled, progress(5, 27, 90)))).toBeGreaterThan(5 * MIB)
  })

  it('is the same when a stream that broke tells again what it told before', () => {
    const view = follow(progress(1, 0, 10), progress(2, 4, 50))
    expect(addEntry(addEntry(view, progress(1, 0, 10)), progress(2, 4, 50))).toBe(view)
  })

  it('starts to count anew with each phase', () => {
    const phase: LogEntry = { type: 'phase', seq: 3, at: '2026-11-25T00:00:05.000Z', phase: 'commit', message: 'm' }
    const view = addEntry(follow(progress(1, 0, 10), progress(2, 4, 50)), phase)
    expect({ rate: rateOf(view), said: view.said }).toEqual({ rate: undefined, said: [phase] })
  })
})

describe('the form of a restore', () => {
  const named = (database: string, name: string): Table => ({
    database,
    name,
    engine: 'MergeTree',
    rows: 1,
    bytes: 1,
    parts: 1,
    frozenAt: '2026-11-25T00:00:00.000Z',
  })
  const tables = [named('shop', 'orders'), named('shop', 'customers'), named('my.db', 'a')]
  const form = { ...EVERYTHING, backup: 'b' }

  it.each([
    [['shop.orders'], [], 'shop.orders_restored'],
    [['shop.orders', 'shop.customers'], [], 'shop_restored'],
    [['`my.db`.a'], [], '`my.db`.a_restored'],
    [['`my.db`.a', '`my.db`.b'], [], '`my.db_restored`'],
    [['shop.orders', '`my.db`.a'], [], 'restored'],
    [[], ['shop.orders:202611'], 'shop.orders_restored'],
  ])('proposes for %j and %j a name that says what it is: %s', (chosen, partitions, name) => {
    expect(proposedName({ tables: chosen, partitions })).toBe(name)
  })

  it('asks for what is chosen only, and says the same as a command', () => {
    const request = requestOf({ ...form, partitions: ['shop.orders:2'], as: 'x' }, tables)
    expect(request).toEqual({
      kind: 'restore',
      backup: 'b',
      mode: 'all',
      tables: ['shop.orders'],
      partitions: ['shop.orders:2'],
      as: 'x',
    })
    expect(restoreWords({ ...request, mode: 'replace' })).toEqual(
      'restore b -t shop.orders --partition shop.orders:2 --as x --replace'.split(' '),
    )
  })

  it('names no table when all are wanted, and no other place when they go back to their own', () => {
    const all = { ...form, tables: ['shop.orders', 'shop.customers', '`my.db`.a'] }
    expect(requestOf({ ...all, mode: 'replace' }, tables)).toEqual({ kind: 'restore', backup: 'b', mode: 'replace' })
    expect(requestOf({ ...all, mode: 'free', as: 'x' }, tables)).toEqual({ kind: 'restore', backup: 'b', mode: 'all' })
  })
})
