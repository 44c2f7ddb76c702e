import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import pLimit from 'p-limit'
import { parseLocation } from '../src/storage/location.ts'
import { openAzure } from '../src/storage/open-azure.ts'
import { openGcs } from '../src/storage/open-gcs.ts'
import { openS3 } from '../src/storage/open-s3.ts'
import type { OpenAdapter } from '../src/storage/open.ts'
import type { Storage } from '../src/storage/storage.ts'
import type { Place } from '../test/stores/scenario.ts'

// What a store sustains: whole objects by the vendor's library as Permafrost uses it, over as many connections, with nothing above
// it. A process of its own for `stores.ts`; it prints the seconds from the first request to the last answer.
//
//   node bench/plain-transfers.ts put|get <file of a PlainTransfers>

/** Objects `plain/0`, `plain/1`, … of these sizes, at a place. */
export interface PlainTransfers {
  readonly place: Place
  readonly sizes: readonly number[]
}

const ADAPTERS: Readonly<Record<string, OpenAdapter>> = { s3: openS3, az: openAzure, gs: openGcs }

const {
  positionals: [direction, file = ''],
} = parseArgs({ allowPositionals: true })
const { place, sizes } = JSON.parse(readFileSync(file, 'utf8')) as PlainTransfers
const location = parseLocation(place.url)
const open = ADAPTERS[location.scheme]
if (!open || (direction !== 'put' && direction !== 'get')) throw new Error(`no ${direction} at ${location.scheme}://`)
const storage = await open(location, { credentials: place.credentials ?? {}, clock: () => new Date() })
const transfer = { put: putAll, get: getAll }[direction]
console.log(await transfer(storage))

async function putAll(to: Storage): Promise<number> {
  const bytes = randomBytes(Math.max(...sizes))
  return secondsOf(to, async (key, size) => {
    if ((await to.put(key, bytes.subarray(0, size), { ifAbsent: true })) !== 'created') throw new Error(`${key} exists`)
  })
}

function getAll(from: Storage): Promise<number> {
  return secondsOf(from, async (key, size) => {
    const bytes = await from.get(key)
    if (bytes?.length !== size) throw new Error(`${key} has ${bytes?.length} bytes`)
  })
}

async function secondsOf(
  { traits }: Storage,
  transferOne: (key: string, size: number) => Promise<void>,
): Promise<number> {
  const limit = pLimit(traits.connections)
  const begin = performance.now()
  await Promise.all(sizes.map((size, n) => limit(() => transferOne(`plain/${n}`, size))))
  return (performance.now() - begin) / 1000
}
