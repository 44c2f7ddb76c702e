import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { parseSelector } from '../src/core/selector.ts'
import { formatBytes } from '../src/core/units.ts'
import { thisFreezer } from '../src/engine/freezer.ts'
import { openGateway } from '../src/engine/gateway.ts'
import { openPool } from '../src/repository/pool.ts'
import { loadAll } from '../src/operations/load-queue.ts'
import { mountTable } from '../src/operations/mount-table.ts'
import { preparePrune } from '../src/operations/prune.ts'
import { findInterrupted } from '../src/operations/interrupted.ts'
import { storeBackup } from '../src/operations/store-backup.ts'
import { storedBefore } from '../src/operations/stored-before.ts'
import { verify } from '../src/operations/verify.ts'
import {
  backupIds,
  listBackups,
  readContents,
  readParts,
  readPartitions,
  readSchemas,
} from '../src/repository/backups.ts'
import { poolOf } from '../src/operations/context.ts'
import { forget } from '../src/repository/forgotten.ts'
import { partReader } from '../src/repository/part-reader.ts'
import { initRepository, openRepository } from '../src/repository/repository.ts'
import { fileStorage } from '../src/storage/file.ts'
import { nodeDisk } from '../src/storage/node-disk.ts'
import { growthChart, growthTable } from './growth.ts'
import type { Growth } from './growth.ts'
import { metered, requestsOf } from './metered.ts'
import type { Meter } from './metered.ts'
import { FILES_IN_PART, random, virtualDisk, virtualServer } from './virtual-server.ts'
import type { Shape } from './virtual-server.ts'

// The budgets of a repository of 100,000 parts and 6 million files: requests, bytes, seconds and peak memory of each step,
// every one in a process of its own. The real code runs on one thread, on parts that exist in no file system.
//
//   npm run bench:repository -- [--quick] [--json <file>] [--svg <file>] [--at <directory>]
//
// Without --quick it is done with 1,000 and 10,000 parts, too, and time and memory are set against the size.

const SECRET = `permafrost-key-1:${Buffer.alloc(32, 7).toString('base64url')}`
const QUICK: Shape = { tables: 10, partitions: 10, parts: 10 }
const SHAPES: readonly Shape[] = [
  QUICK,
  { tables: 20, partitions: 10, parts: 50 },
  { tables: 100, partitions: 10, parts: 100 },
]
/** One table whose parts are written again bit by bit, for a chain of fifty backups. */
const CHAIN: Shape = { tables: 1, partitions: 10, parts: 100 }
const CHAIN_BACKUPS = 50

interface Measured extends Growth {
  readonly requests: number
  readonly meter: Meter
  readonly notes?: Readonly<Record<string, number>>
}

interface Bench {
  readonly directory: string
  readonly shape: Shape
}

/** What a step does; what it returns is printed beside its numbers. */
type Step = (bench: Bench, at: Awaited<ReturnType<typeof open>>) => Promise<Readonly<Record<string, number>> | void>

async function open(directory: string) {
  const { storage, meter } = metered(fileStorage(directory))
  const repository = await openRepository(storage, { secret: SECRET, purpose: 'write' }).catch(() =>
    initRepository(storage, { suite: 'aes-256-gcm', secret: SECRET, packTarget: 64 << 20, at: new Date(), random }),
  )
  for (const key of Object.keys(meter) as (keyof Meter)[]) meter[key] = 0
  const ctx = {
    repository,
    disk: virtualDisk(nodeDisk),
    clock: () => new Date(),
    random,
    emit: () => undefined,
    signal: new AbortController().signal,
    limits: { workers: 0, memory: 256 << 20 },
    self: thisFreezer(),
    version: 'bench',
    findings: [],
  }
  return { ctx: { ...ctx, pool: poolOf(ctx) }, meter }
}

type Open = Awaited<ReturnType<typeof open>>

async function backUp({ ctx }: Open, server: ReturnType<typeof virtualServer>) {
  const { id } = server.info
  const interrupted = await findInterrupted(ctx, { server: id, demanded: false })
  const before = await storedBefore(ctx, { server: id, tables: server.tables.map(({ table }) => table), interrupted })
  return storeBackup(ctx, { ...server, before }, { tags: [], selection: ['*.*'] })
}

const store: Step = async ({ shape }, at) => {
  const { logical, stored, reused } = await backUp(at, virtualServer(shape))
  return { logical, stored, reused }
}

const STEPS: Readonly<Record<string, Step>> = {
  'first backup': store,
  'backup with no change': store,
  'backup with one part in a hundred new': async ({ shape }, at) => {
    const changed = Math.max(1, Math.floor(shape.parts / 100))
    const { stored } = await backUp(at, virtualServer(shape, { round: 1, changed }))
    return { stored }
  },
  'list of backups': async (_bench, { ctx }) => ({ backups: (await listBackups(ctx.repository)).length }),
  'show of a backup': async (_bench, { ctx }) => {
    const id = (await backupIds(ctx.repository)).at(-1) ?? ''
    const { tables } = await readContents(ctx.repository, id)
    return { partitions: (await readPartitions(ctx.repository, tables)).flat().length }
  },
  'verify inventory': async (_bench, { ctx }) => {
    const backups = await backupIds(ctx.repository)
    const options = { backups, level: 'inventory', selector: parseSelector([]), record: false } as const
    const { parts, findings } = await verify(ctx, options)
    return { parts, findings: findings.length }
  },
  'one part back': async (_bench, { ctx }) => {
    const id = (await backupIds(ctx.repository)).at(-1) ?? ''
    const { tables } = await readContents(ctx.repository, id)
    const [partitions] = await readPartitions(ctx.repository, tables.slice(0, 1))
    const parts = await readParts(ctx.repository, partitions?.slice(0, 1) ?? [])
    return { parts: await load(ctx, parts.slice(0, 1)) }
  },
  // One partition of one table, up to the point where ClickHouse would ask for its files.
  'query open': async (_bench, { ctx }) => {
    const { repository, signal } = ctx
    const id = (await backupIds(repository)).at(-1) ?? ''
    const [entry, ...others] = (await readContents(repository, id)).tables
    if (!entry) throw new Error(`${id} has no table`)
    const [[schema], [partitions = []]] = await Promise.all([
      readSchemas(repository, [entry]),
      readPartitions(repository, [entry]),
    ])
    if (!schema) throw new Error(`${entry.name} has no definition`)
    const reader = partReader(repository, { memory: 128 << 20, signal, onFetch: () => undefined })
    await using gateway = await openGateway({ random, onFailure: () => undefined })
    const request = { entry, schema, partitions: partitions.slice(0, 1), as: entry, key: 't0' }
    const { parts } = await mountTable(request, { repository, reader, gateway })
    return { parts, 'of tables': others.length + 1 }
  },
  'prune of one forgotten backup': async (_bench, { ctx }) => {
    const [first = ''] = await backupIds(ctx.repository)
    const at = new Date(0).toISOString()
    await forget(ctx.repository, { backup: first, by: 'bench', at, reason: 'bench', notBefore: at }, random)
    const { packs } = await (await preparePrune(ctx, { minAge: 0 })).run()
    return { packs }
  },
}

const CHAIN_STEPS: Readonly<Record<string, Step>> = {
  'fifty backups, a tenth of the parts new in each': async (_bench, at) => {
    for (let round = 0; round < CHAIN_BACKUPS; round++)
      await backUp(at, virtualServer(CHAIN, { round, changed: CHAIN.parts / 10 }))
  },
  'backup 1 read back': (_bench, at) => readBack(0, at),
  'backup 50 read back': (_bench, at) => readBack(CHAIN_BACKUPS - 1, at),
}

async function readBack(index: number, { ctx }: Open) {
  // Ids are exact to the second, and several may be made in one.
  const backups = await Promise.all((await backupIds(ctx.repository)).map((id) => readContents(ctx.repository, id)))
  const at = ({ tables }: (typeof backups)[number]) => tables[0]?.frozenAt ?? ''
  const { tables } = backups.toSorted((a, b) => (at(a) < at(b) ? -1 : 1))[index] as (typeof backups)[number]
  const partitions = (await readPartitions(ctx.repository, tables)).flat()
  const parts = await readParts(ctx.repository, partitions)
  const before = performance.now()
  const rounds = 10
  for (let n = 0; n < rounds; n++) await load(ctx, parts)
  return { parts: parts.length, milliseconds: Math.round((performance.now() - before) / rounds) }
}

async function load(
  ctx: Awaited<ReturnType<typeof open>>['ctx'],
  parts: Awaited<ReturnType<typeof readParts>>,
): Promise<number> {
  await using pool = openPool({ ...ctx, ...ctx.limits, storage: ctx.repository.storage, packTarget: 64 << 20 })
  let whole = 0
  await loadAll(
    parts.map((part) => ({ part })),
    { ...ctx, pool },
    (_request, { authentic }) => {
      if (authentic) whole++
    },
  )
  if (whole !== parts.length) throw new Error(`${parts.length - whole} parts did not read back`)
  return whole
}

async function measure(step: Step, bench: Bench): Promise<Measured> {
  const at = await open(bench.directory)
  const before = performance.now()
  const notes = await step(bench, at)
  const seconds = (performance.now() - before) / 1000
  const peakMemory = process.resourceUsage().maxRSS * 1024
  return { seconds, peakMemory, requests: requestsOf(at.meter), meter: at.meter, ...(notes && { notes }) }
}

function row(name: string, { seconds, peakMemory, requests, meter, notes = {} }: Measured): string {
  const { get, put, list } = meter
  const also = Object.entries(notes).map(([key, value]) => `${key} ${value >= 1e6 ? formatBytes(value) : value}`)
  return `| ${[
    name,
    requests,
    `${get} · ${put} · ${list}`,
    formatBytes(meter.bytesIn),
    formatBytes(meter.bytesOut),
    seconds.toFixed(seconds < 10 ? 2 : 0),
    formatBytes(peakMemory),
    also.join(', '),
  ].join(' | ')} |`
}

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    json: { type: 'string' },
    svg: { type: 'string' },
    at: { type: 'string', default: tmpdir() },
    step: { type: 'string' },
    shape: { type: 'string', default: '{}' },
    directory: { type: 'string', default: '' },
  },
})

if (values.step === undefined) {
  const sizes = (values.quick ? [QUICK] : SHAPES).map((shape) => measureSteps(shape, STEPS))
  const chain = measureSteps(CHAIN, CHAIN_STEPS)
  if (sizes.length > 1) console.log(`\n${growthTable(sizes)}`)
  if (values.svg) writeFileSync(values.svg, growthChart(sizes))
  if (values.json) writeFileSync(values.json, `${JSON.stringify({ sizes, chain }, null, 2)}\n`)
} else {
  const step = { ...STEPS, ...CHAIN_STEPS }[values.step]
  if (!step) throw new Error(`no step ${values.step}`)
  const shape = JSON.parse(values.shape) as Shape
  console.log(JSON.stringify(await measure(step, { directory: values.directory, shape })))
}

/** Every step in a process of its own, one after another, on one repository. */
function measureSteps(shape: Shape, steps: Readonly<Record<string, Step>>) {
  const directory = mkdtempSync(join(values.at, 'permafrost-bench-'))
  const parts = shape.tables * shape.partitions * shape.parts
  const results: Record<string, Measured> = {}
  console.log(
    `\n${parts.toLocaleString('en')} parts, ${(parts * FILES_IN_PART).toLocaleString('en')} files, ${process.version}\n`,
  )
  console.log('| step | requests | GET · PUT · LIST | read | written | seconds | peak memory | |')
  console.log('|---|---|---|---|---|---|---|---|')
  try {
    for (const name of Object.keys(steps)) {
      const args = ['--step', name, '--directory', directory, '--shape', JSON.stringify(shape)]
      const child = spawnSync(process.execPath, [fileURLToPath(import.meta.url), ...args], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      if (child.status !== 0) throw new Error(`${name} failed`)
      const measured = JSON.parse(child.stdout) as Measured
      results[name] = measured
      console.log(row(name, measured))
    }
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
  return { parts, results }
}
