import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decideRetention, isEmptyPolicy } from '../../../src/core/retention.ts'
import type { Candidate, RetentionPolicy } from '../../../src/core/retention.ts'

const NOW = new Date('2026-11-24T12:00:00Z')
const HOUR = 3600 * 1000

const candidate = fc.record({
  id: fc.uuid(),
  started: fc.date({ min: new Date('2023-01-01'), max: NOW, noInvalidDate: true }),
  host: fc.constantFrom('a', 'b'),
  set: fc.constantFrom('all', 'some'),
  tags: fc.subarray(['release', 'audit']),
  complete: fc.boolean(),
  proven: fc.boolean(),
  heldUntil: fc.option(fc.date({ min: new Date('2026-01-01'), max: new Date('2027-12-31'), noInvalidDate: true }), {
    nil: undefined,
  }),
})
const candidates = fc.uniqueArray(candidate, { selector: ({ id }) => id, maxLength: 60 })
const count = fc.option(fc.nat(8), { nil: undefined })
const policy: fc.Arbitrary<RetentionPolicy> = fc.record({
  last: count,
  hourly: count,
  daily: count,
  weekly: count,
  monthly: count,
  yearly: count,
  within: fc.option(fc.nat(40 * 24 * 3600), { nil: undefined }),
  tags: fc.option(fc.subarray(['release', 'audit']), { nil: undefined }),
})

const kept = (list: readonly Candidate[], rules: RetentionPolicy) =>
  new Set(decideRetention(list, rules, NOW).flatMap(({ id, keep }) => (keep ? [id] : [])))
const groupsOf = (list: readonly Candidate[]) => [...Map.groupBy(list, ({ host, set }) => host + set).values()]

describe('retention', () => {
  const holds = (property: (list: readonly Candidate[], rules: RetentionPolicy) => void) =>
    fc.assert(fc.property(candidates, policy, property), { numRuns: 500 })

  it('has a reason for every decision, and one decision for every backup', () =>
    holds((list, rules) => {
      const decisions = decideRetention(list, rules, NOW)
      expect(decisions.map(({ id }) => id)).toEqual(list.map(({ id }) => id))
      for (const { keep, reasons } of decisions) {
        expect(reasons.length).toBeGreaterThan(0)
        expect(reasons.some((reason) => reason === 'expired' || reason === 'incomplete')).toBe(!keep)
      }
    }))

  it('never leaves nothing of a host and its set of tables, and always the newest, the newest complete and the newest proven one', () =>
    holds((list, rules) => {
      const keep = kept(list, rules)
      const wanted: string[] = []
      for (const group of groupsOf(list)) {
        const newest = (like: (one: Candidate) => boolean) =>
          group.filter(like).toSorted((a, b) => b.started.getTime() - a.started.getTime() || (a.id < b.id ? 1 : -1))[0]
        for (const one of [newest(() => true), newest(({ complete }) => complete), newest(({ proven }) => proven)])
          wanted.push(...(one ? [one.id] : []))
      }
      expect(wanted.filter((id) => !keep.has(id))).toEqual([])
    }))

  it('keeps what is held, until its date', () =>
    holds((list, rules) => {
      const keep = kept(list, rules)
      const held = list.filter(({ heldUntil }) => heldUntil && heldUntil > NOW)
      expect(held.filter(({ id }) => !keep.has(id))).toEqual([])
    }))

  it('does not depend on the order in which backups are listed', () =>
    holds((list, rules) => {
      expect(kept(list.toReversed(), rules)).toEqual(kept(list, rules))
    }))

  it('forgets nothing more when it is applied again', () =>
    holds((list, rules) => {
      const once = list.filter(({ id }) => kept(list, rules).has(id))
      expect(kept(once, rules)).toEqual(new Set(once.map(({ id }) => id)))
    }))

  it('keeps no less when the policy asks for more', () =>
    fc.assert(
      fc.property(
        candidates,
        policy,
        fc.constantFrom('last', 'hourly', 'daily', 'weekly', 'monthly', 'yearly'),
        (list, rules, name) => {
          const more = kept(list, { ...rules, [name]: (rules[name] ?? 0) + 1 })
          for (const id of kept(list, rules)) expect(more).toContain(id)
        },
      ),
    ))

  it('keeps as many per rule as it says, and no more', () =>
    holds((list, rules) => {
      for (const group of groupsOf(list)) {
        const decisions = decideRetention(group, rules, NOW)
        for (const rule of ['last', 'hourly', 'daily', 'weekly', 'monthly', 'yearly'] as const)
          expect(decisions.filter(({ reasons }) => reasons.includes(rule)).length).toBeLessThanOrEqual(rules[rule] ?? 0)
      }
    }))

  it('of hourly backups over 400 days keeps the newest of each hour, day, week and month', () => {
    const list = Array.from({ length: 400 * 24 }, (_, n): Candidate => {
      const started = new Date(NOW.getTime() - n * HOUR)
      return { id: started.toISOString(), started, host: 'a', set: 'all', tags: [], complete: true, proven: false }
    })
    const decisions = decideRetention(list, { hourly: 24, daily: 14, weekly: 8, monthly: 12 }, NOW)
    const by = (rule: string) =>
      decisions.filter(({ reasons }) => reasons.some((one) => one === rule)).map(({ id }) => id)
    expect(by('hourly')).toEqual(list.slice(0, 24).map(({ id }) => id))
    expect(by('daily').slice(0, 3)).toEqual([
      '2026-11-24T12:00:00.000Z',
      '2026-11-23T23:00:00.000Z',
      '2026-11-22T23:00:00.000Z',
    ])
    // Weeks end on Sundays.
    expect(by('weekly').slice(0, 3)).toEqual([
      '2026-11-24T12:00:00.000Z',
      '2026-11-22T23:00:00.000Z',
      '2026-11-15T23:00:00.000Z',
    ])
    expect(by('monthly').slice(-1)).toEqual(['2025-12-31T23:00:00.000Z'])
    expect(by('monthly')).toHaveLength(12)
  })

  it('counts the last days of December to the ISO week of their Thursday', () => {
    const at = (id: string): Candidate => ({
      id,
      started: new Date(id),
      host: 'a',
      set: 'all',
      tags: [],
      complete: true,
      proven: false,
    })
    const list = ['2027-01-03T00:00:00Z', '2026-12-28T00:00:00Z', '2026-12-27T00:00:00Z'].map(at)
    const decisions = decideRetention(list, { weekly: 2 }, new Date('2027-01-04'))
    expect(decisions.map(({ keep }) => keep)).toEqual([true, false, true])
  })

  it('does not fill a place with an incomplete backup', () => {
    const at = (id: string, complete: boolean): Candidate => ({
      id,
      started: new Date(id),
      host: 'a',
      set: 'all',
      tags: [],
      complete,
      proven: false,
    })
    const list = [at('2026-11-24T10:00:00Z', true), at('2026-11-23T20:00:00Z', false), at('2026-11-23T10:00:00Z', true)]
    expect(decideRetention(list, { daily: 2 }, NOW)).toEqual([
      { id: '2026-11-24T10:00:00Z', keep: true, reasons: ['daily', 'newest'] },
      { id: '2026-11-23T20:00:00Z', keep: false, reasons: ['incomplete'] },
      { id: '2026-11-23T10:00:00Z', keep: true, reasons: ['daily'] },
    ])
  })

  it('tells an empty policy', () => {
    expect(isEmptyPolicy({})).toBe(true)
    expect(isEmptyPolicy({ last: 0, tags: [] })).toBe(true)
    expect(isEmptyPolicy({ within: 1 })).toBe(false)
  })
})
