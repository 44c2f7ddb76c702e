import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parseLocation } from '../../src/storage/location.ts'
import { openAzure } from '../../src/storage/open-azure.ts'
import { openGcs } from '../../src/storage/open-gcs.ts'
import { openS3 } from '../../src/storage/open-s3.ts'
import type { Storage } from '../../src/storage/storage.ts'
import { startHttpFaults } from '../helpers/stores/http-faults.ts'
import type { HttpFault } from '../helpers/stores/http-faults.ts'
import { CLOUDS } from './clouds.ts'
import type { Cloud } from './clouds.ts'
import { everythingWorks, patient } from './everything.ts'

const OPEN = { s3: openS3, az: openAzure, gs: openGcs }
const ERROR = '<?xml version="1.0"?><Error><Code>InternalError</Code><Message>no</Message></Error>'

/** What goes wrong, and how often with requests of one kind before it goes right. */
const FAULTS: readonly (readonly [name: string, fault: HttpFault, times: number])[] = [
  ['503, and again', { act: 'answer', status: 503 }, 4],
  ['503 with a wish to wait', { act: 'answer', status: 503, headers: { 'retry-after': '0' } }, 2],
  ['500', { act: 'answer', status: 500, body: ERROR }, 2],
  ['a success whose body is an error', { act: 'answer', status: 200, body: ERROR }, 2],
  ['a reset before the request is heard', { act: 'reset', when: 'before' }, 2],
  ['a reset in the middle of the request', { act: 'reset', when: 'during' }, 2],
  ['a reset after it was done: the answer is lost', { act: 'reset', when: 'after' }, 2],
  ['a reset in the middle of the answer', { act: 'reset', when: 'answering' }, 2],
  ['an answer that is cut', { act: 'cut', lie: false }, 2],
  ['an answer that is cut and lies about its length', { act: 'cut', lie: true }, 2],
  ['a bit that flips on the way there', { act: 'flip', direction: 'up' }, 2],
  ['a bit that flips on the way back', { act: 'flip', direction: 'down' }, 2],
  ['silence', { act: 'hang', when: 'before' }, 1],
  ['silence in the middle of the answer', { act: 'hang', when: 'answering' }, 1],
]

describe.each(CLOUDS)('%s, over a line that fails', (_title, { scheme, start }) => {
  let cloud: Cloud
  beforeAll(async () => {
    cloud = await start()
  })
  afterAll(() => cloud[Symbol.asyncDispose]())

  const open = (port: number): Promise<Storage> => {
    const { url, credentials = {} } = cloud.place(randomUUID(), port)
    return OPEN[scheme](parseLocation(url), { credentials, clock: () => new Date() })
  }

  it.each(FAULTS)('goes on: %s', async (_name, fault, times) => {
    const seen = new Map<string, number>()
    await using proxy = await startHttpFaults(cloud.port, (asked) => {
      if (!concerns(fault, asked)) return undefined
      const n = seen.get(kindOf(asked)) ?? 0
      seen.set(kindOf(asked), n + 1)
      return n < times ? fault : undefined
    })
    await everythingWorks(patient(await open(proxy.port), 0.5))
    expect(proxy.hits()).toBeGreaterThan(0)
  })
})

/** Requests of one kind: the same verb, for the same object, whole or in part. */
function kindOf({ method, url = '', headers }: IncomingMessage): string {
  const isPart = headers['range'] !== undefined || headers['x-ms-range'] !== undefined
  return `${method} ${new URL(url, 'http://any').pathname} ${isPart ? 'in part' : ''}`
}

/**
 * A bit that flips in a range of a pack is found by its frames, and in a listing or a confirmation by nobody: over plain HTTP,
 * without TLS, only what is whole can be compared.
 */
function concerns(fault: HttpFault, asked: IncomingMessage): boolean {
  if (fault.act === 'reset' && fault.when === 'during') return Number(asked.headers['content-length'] ?? 0) > 0
  if (fault.act !== 'flip') return true
  if (fault.direction === 'up') return Number(asked.headers['content-length'] ?? 0) > 1000
  return asked.method === 'GET' && /one/.test(asked.url ?? '') && !kindOf(asked).endsWith('in part')
}
