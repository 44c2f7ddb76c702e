import { describe, expect, it } from 'vitest'
import { explore } from './explore.ts'
import { MUTATIONS } from './mutations.ts'
import { THE_PROTOCOL } from './world.ts'
import type { Scope } from './world.ts'

const SCOPES: readonly (readonly [string, Scope])[] = [
  ['a writer with two tries and a collector', { writers: 1, tries: 2, collectors: 1, passes: 1 }],
  ['a writer with two tries and a collector that runs twice', { writers: 1, tries: 2, collectors: 1, passes: 2 }],
  ['a writer and two collectors', { writers: 1, tries: 1, collectors: 2, passes: 1 }],
  ['a pin and a forget that is taken back', { pins: 1, undo: true, tries: 1, collectors: 1, passes: 1 }],
  ['a set of two nodes', { set: true, tries: 1, collectors: 1, passes: 1 }],
]

describe('writers, collectors, a retention job and a janitor, any of whom may stop for ever anywhere, lose nothing', () => {
  it.each(SCOPES)('%s', (_name, scope) => {
    const { broken, states } = explore(scope, THE_PROTOCOL)
    expect(broken).toBeUndefined()
    expect(states).toBeGreaterThan(10_000)
  })
})

describe('the checker can fail: it finds what breaks when', () => {
  it('knows thirteen ways', () => expect(MUTATIONS).toHaveLength(13))

  it.each(MUTATIONS)('$what', ({ protocol, scope }) => {
    const { broken } = explore(scope, protocol)
    expect(broken?.what).toMatch(/lost/)
    expect(broken?.steps.length).toBeGreaterThan(5)
  })
})
