import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { sql, trusted } from '../src/core/sql.ts'
import type { Sql } from '../src/core/sql.ts'
import { parseBytes } from '../src/core/units.ts'
import { embeddedEngine } from '../src/engine/embedded.ts'
import type { Engine } from '../src/engine/engine.ts'
import { fileStorage } from '../src/storage/file.ts'
import { hasCeph } from '../test/helpers/stores/ceph.ts'
import { CLOUDS } from '../test/stores/clouds.ts'
import type { Cloud } from '../test/stores/clouds.ts'
import { MACHINE } from './machine.ts'
import { observe } from './observe.ts'
import { permafrostAt } from './permafrost-at.ts'
import type { PlainTransfers } from './plain-transfers.ts'
import { measureSlowDown } from './slow-down.ts'
import type { SlowDown } from './slow-down.ts'
import { storesMarkdown } from './stores-report.ts'
import type { StepUsage, StoreResult, StoreRound, StoreStep } from './stores-report.ts'

// What becomes of a store's own speed: a backup and a restore through each object store on the loopback, beside plain transfers of
// random objects of the same sizes; then a store that refuses more than a few requests at a time. Servers and clients share the
// machine's processors. A new server for each round, for none of them gives memory back at once.
//
//   npm run bench:stores -- [--quick] [--rounds <n>] [--size <bytes>] [--directory <directory>] [--json <file>]

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    rounds: { type: 'string' },
    size: { type: 'string' },
    directory: { type: 'string', default: tmpdir() },
    json: { type: 'string' },
  },
})
const rounds = Number(values.rounds ?? (values.quick ? 1 : 3))
const size = parseBytes(values.size ?? (values.quick ? '128MiB' : '1GiB')) ?? Number.NaN
const ROW = 1024
/** Both ways of writing, then both of reading; who is first takes turns. */
const ORDERS: readonly (readonly StoreStep[])[] = [
  ['put', 'backup', 'backupOfNothing', 'get', 'restore', 'restoreOfNothing'],
  ['backup', 'backupOfNothing', 'put', 'restore', 'restoreOfNothing', 'get'],
]

const home = mkdtempSync(join(values.directory, 'permafrost-stores-'))
const data = join(home, 'clickhouse')
try {
  await using engine = await embeddedEngine({ path: data, random: randomBytes })
  say('making the data')
  for (const statement of makeData()) await engine.command(statement)
  const sizes = await packSizes()
  if (!hasCeph) say('without S3: no Ceph is installed here')
  const stores: StoreResult[] = []
  for (const [title, { start }] of CLOUDS) {
    const measured: StoreRound[] = []
    for (let round = 0; round < rounds; round++) {
      await using cloud = await start()
      measured.push(await measureRound(engine, cloud, { title, round, sizes }))
    }
    stores.push({ title, rounds: measured })
  }
  const slow = await measureRefusals()
  const bytes = sizes.reduce((sum, one) => sum + one, 0)
  const result = { machine: MACHINE, rounds, packs: sizes.length, bytes, stores, slow }
  process.stdout.write(storesMarkdown(result))
  if (values.json) writeFileSync(values.json, `${JSON.stringify(result, null, 2)}\n`)
} finally {
  rmSync(home, { recursive: true, force: true })
}

/** Bytes that nothing compresses; fewer, in small parts, for the store that refuses; and a row, to see what a run costs by itself. */
function makeData(): readonly Sql[] {
  const table = (name: string, bytes: number, part: number) => [
    trusted(`CREATE TABLE store.${name} (p UInt16, n UInt64, v String CODEC(NONE)) ENGINE = MergeTree
      PARTITION BY p ORDER BY n SETTINGS min_bytes_for_wide_part = 0`),
    trusted(`INSERT INTO store.${name} SELECT intDiv(number, ${part / ROW}), number, randomString(${ROW - 12})
      FROM numbers(${Math.ceil(bytes / ROW)}) SETTINGS max_block_size = ${part / ROW}, min_insert_block_size_rows = ${part / ROW}`),
  ]
  return [
    trusted('CREATE DATABASE store'),
    ...table('whole', size, 32 << 20),
    ...table('quarter', size / 4, 4 << 20),
    ...table('nothing', ROW, ROW),
  ]
}

/** Bytes of each pack that a backup makes of the data: the same at every store. It also has all of it read once. */
async function packSizes(): Promise<readonly number[]> {
  const directory = join(home, 'sizes')
  const permafrost = permafrostAt({ directory, engine: data, place: { url: `file://${directory}/repository` } })
  await permafrost('repo', 'init')
  await permafrost('backup', '-t', 'store.whole')
  const sizes: number[] = []
  for await (const pack of fileStorage(join(directory, 'repository')).list('packs/')) sizes.push(pack.size)
  rmSync(directory, { recursive: true })
  return sizes
}

interface Round {
  readonly title: string
  readonly round: number
  readonly sizes: readonly number[]
}

async function measureRound(engine: Engine, cloud: Cloud, { title, round, sizes }: Round): Promise<StoreRound> {
  const directory = mkdtempSync(join(home, 'round-'))
  const permafrost = permafrostAt({ directory, engine: data, place: cloud.place('backup') })
  await permafrost('repo', 'init')
  const transfers = join(directory, 'transfers.json')
  writeFileSync(transfers, JSON.stringify({ place: cloud.place('plain'), sizes } satisfies PlainTransfers))
  const plain = async (direction: 'put' | 'get'): Promise<StepUsage> => {
    const main = fileURLToPath(new URL('plain-transfers.ts', import.meta.url))
    const { stdout, cpu } = await observe([process.execPath, main, direction, transfers])
    return { seconds: Number(stdout), cpu }
  }
  const command = async (...args: readonly string[]): Promise<StepUsage> => {
    const { wall, cpu } = await permafrost(...args)
    return { seconds: wall, cpu }
  }
  const restore = async (table: string): Promise<StepUsage> => {
    const usage = await command('restore', 'latest', '-t', `store.${table}`, '--as', 'restored')
    await engine.command(sql`DROP DATABASE restored SYNC`)
    return usage
  }
  const tables = ['-t', 'store.whole', '-t', 'store.nothing']
  const steps: Readonly<Record<StoreStep, () => Promise<StepUsage>>> = {
    put: () => plain('put'),
    backup: () => command('backup', ...tables),
    backupOfNothing: () => command('backup', ...tables),
    get: () => plain('get'),
    restore: () => restore('whole'),
    restoreOfNothing: () => restore('nothing'),
  }
  const usages = {} as Record<StoreStep, StepUsage>
  for (const step of ORDERS[round % ORDERS.length] ?? []) {
    usages[step] = await steps[step]()
    say(`${title}, round ${round + 1}, ${step}: ${usages[step].seconds.toFixed(2)} s`)
  }
  return usages
}

/** Through S3 only: it is the layer above that is measured, the same for every store. */
async function measureRefusals(): Promise<readonly SlowDown[]> {
  const ceph = CLOUDS.find(([, { scheme }]) => scheme === 's3')?.[1]
  if (!ceph) return []
  const runs: SlowDown[] = []
  for (let round = 0; round < rounds; round++) {
    await using cloud = await ceph.start()
    runs.push(...(await measureSlowDown(cloud, { engine: data, directory: join(home, `slow-${round}`), round, say })))
  }
  return runs
}

function say(text: string): void {
  process.stderr.write(`${text}\n`)
}
