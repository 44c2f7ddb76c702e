import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { isErrno } from '../../src/core/errors.ts'
import { parseBytes } from '../../src/core/units.ts'
import type { startCli } from '../helpers/cli.ts'
import { startHttpFaults } from '../helpers/stores/http-faults.ts'
import type { HttpFault, HttpFaults } from '../helpers/stores/http-faults.ts'
import { hasFileServers } from '../helpers/stores/server-process.ts'
import { fingerprint, workbench } from '../helpers/workbench.ts'
import type { TestEngine, Workbench } from '../helpers/workbench.ts'
import { CLOUDS } from '../stores/clouds.ts'
import { FILE_SCHEMES, startFileServers } from '../stores/file-servers.ts'
import { cliAt } from '../stores/scenario.ts'
import type { Place, PlaceCli } from '../stores/scenario.ts'

/** What goes through each store: `PERMAFROST_LARGE=200MiB npm run test:large` is a small run. */
const SIZE = parseBytes(process.env['PERMAFROST_LARGE'] ?? '2GiB') ?? 0
/** Bytes of memory that a whole process may take, with the limits as they are unless said otherwise. */
const MOST = 512 << 20
const ROW = 1024

interface Store extends AsyncDisposable {
  readonly place: Place
}

let bench: Workbench
let engine: TestEngine
let original: Readonly<Record<string, string>>
beforeAll(async () => {
  bench = await workbench()
  engine = await bench.engine('engine')
  await engine.run(
    'CREATE DATABASE big',
    'CREATE TABLE big.events (n UInt64, v String) ENGINE = MergeTree ORDER BY n',
    // Parts of 64 MiB that stay as they are.
    'SYSTEM STOP MERGES big.events',
    `INSERT INTO big.events SELECT number, randomString(${ROW - 8}) FROM numbers(${Math.ceil(SIZE / ROW)}) SETTINGS max_block_size = 65536, min_insert_block_size_rows = 65536, min_insert_block_size_bytes = 0`,
  )
  original = await fingerprint(engine, { database: 'big', name: 'events' })
})
afterAll(() => bench[Symbol.asyncDispose]())

const STORES: readonly (readonly [name: string, start: () => Promise<Store>])[] = [
  [
    'file',
    async () => ({ place: { url: `file://${bench.directory}/store` }, [Symbol.asyncDispose]: async () => undefined }),
  ],
  ...CLOUDS.map(([, { scheme, start }]) => {
    const begin = async (): Promise<Store> => {
      const cloud = await start()
      return { place: cloud.place('large'), [Symbol.asyncDispose]: () => cloud[Symbol.asyncDispose]() }
    }
    return [scheme, begin] as const
  }),
  ...(hasFileServers ? FILE_SCHEMES : []).map((scheme) => {
    const begin = async (): Promise<Store> => {
      const servers = await startFileServers()
      return { place: servers.place(scheme), [Symbol.asyncDispose]: () => servers[Symbol.asyncDispose]() }
    }
    return [scheme, begin] as const
  }),
]

it.each(STORES)('a large backup and its restore stay within the memory: %s', async (name, start) => {
  await using store = await start()
  const cli = cliAt(join(bench.directory, `cli-${name}`), engine, store.place)
  await cli.json('repo', 'init')
  const backup = await peakOf(cli.start('backup', '-t', 'big.*'))
  const restore = await peakOf(cli.start('restore', 'latest', '--as', 'again'))
  await isTheSame()
  process.stdout.write(`${name}: ${mebibytes(backup)} for the backup, ${mebibytes(restore)} for the restore\n`)
  expect(backup).toBeLessThan(MOST)
  expect(restore).toBeLessThan(MOST)
})

const FAULTS: readonly HttpFault[] = [
  { act: 'answer', status: 503 },
  { act: 'reset', when: 'before' },
  { act: 'reset', when: 'after' },
  { act: 'answer', status: 500 },
  { act: 'cut', lie: false },
]

describe.each(CLOUDS)('%s, when one request in a hundred fails', (_title, { scheme, start }) => {
  it('takes less than twice as long to back up, and loses nothing', async () => {
    await using cloud = await start()
    // Small packs, for many requests.
    const limits = { memory: '8MiB' }
    const cliOf = (name: string, port: number): PlaceCli =>
      cliAt(join(bench.directory, `${scheme}-${name}`), engine, { ...cloud.place(name, port), limits })
    const through = async (name: string, { port }: HttpFaults): Promise<number> => {
      const cli = cliOf(name, port)
      await cli.json('repo', 'init')
      const began = performance.now()
      await cli.json('backup', '-t', 'big.*')
      return (performance.now() - began) / 1000
    }
    let requests = 0
    await using good = await startHttpFaults(cloud.port, () => undefined)
    await using bad = await startHttpFaults(cloud.port, () => {
      const n = requests++
      return n % 100 === 50 ? FAULTS[((n - 50) / 100) % FAULTS.length] : undefined
    })
    const [well, badly] = [await through('well', good), await through('badly', bad)]
    process.stdout.write(`${scheme}: ${well.toFixed(1)} s, and ${badly.toFixed(1)} s with ${bad.hits()} faults\n`)
    expect(bad.hits()).toBeGreaterThan(0)
    expect(badly).toBeLessThan(2 * well)

    const cli = cliOf('badly', cloud.port)
    await cli.json('verify', '--all', '--level', 'content')
    await cli.json('restore', 'latest', '--as', 'again')
    await isTheSame()
  })
})

/** Bytes of memory that a command took at most; it has to succeed. */
async function peakOf({ child, result }: ReturnType<typeof startCli>): Promise<number> {
  let peak = 0
  const look = setInterval(() => (peak = Math.max(peak, highWater(child.pid ?? 0))), 20)
  const { code, stderr } = await result
  clearInterval(look)
  expect({ code, stderr }).toMatchObject({ code: 0 })
  expect(peak).toBeGreaterThan(0)
  return peak
}

/** The kernel's own mark: no peak between two looks is missed. */
function highWater(pid: number): number {
  try {
    return Number(/^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) * 1024
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ESRCH')) return 0
    throw error
  }
}

async function isTheSame(): Promise<void> {
  expect(await fingerprint(engine, { database: 'again', name: 'events' })).toEqual(original)
  await engine.run('DROP DATABASE again SYNC')
}

function mebibytes(bytes: number): string {
  return `${Math.round(bytes / (1 << 20))} MiB`
}
