import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { sql } from '../src/core/sql.ts'
import { embeddedEngine } from '../src/engine/embedded.ts'
import { linkTree } from '../src/engine/link-tree.ts'
import { nodeDisk } from '../src/storage/node-disk.ts'
import { dataSets } from './data-sets.ts'
import type { DataSet } from './data-sets.ts'
import { freeze, unfreeze } from './freeze.ts'
import { MACHINE } from './machine.ts'
import { measure, median } from './measure.ts'
import { observe } from './observe.ts'
import { permafrostAt } from './permafrost-at.ts'

// Local snapshots beside `cp -rl` of the same frozen parts, interleaved. A snapshot keeps the links that FREEZE makes, inside of the
// server; an export makes its own: how fast, is measured in a process that does nothing else.
//
//   npm run bench:snapshots -- [--quick] [--rounds <n>] [--directory <directory>] [--json <file>]

const STEPS = ['FREEZE', 'backup --local', 'export', 'linkTree', 'cp -rl'] as const
type StepName = (typeof STEPS)[number]

interface Snapshots {
  readonly title: string
  readonly parts: number
  readonly files: number
  /** Seconds, a round each. */
  readonly seconds: Readonly<Record<StepName, readonly number[]>>
}

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    rounds: { type: 'string' },
    directory: { type: 'string', default: tmpdir() },
    json: { type: 'string' },
    link: { type: 'string' },
    to: { type: 'string', default: '' },
  },
})

if (values.link === undefined) await measureAll()
else {
  const begin = performance.now()
  linkTree(values.link, values.to, nodeDisk)
  console.log((performance.now() - begin) / 1000)
}

async function measureAll(): Promise<void> {
  const rounds = Number(values.rounds ?? (values.quick ? 3 : 5))
  const home = mkdtempSync(join(values.directory, 'permafrost-snapshots-'))
  try {
    const results: Snapshots[] = []
    for (const set of dataSets(values.quick ? 0.1 : 1)) results.push(await measureSet(set, { home, rounds }))
    process.stdout.write(`${MACHINE}, ${rounds} interleaved rounds, medians.\n\n${markdown(results)}\n`)
    if (values.json) writeFileSync(values.json, `${JSON.stringify({ machine: MACHINE, rounds, results }, null, 2)}\n`)
  } finally {
    rmSync(home, { recursive: true, force: true })
  }
}

async function measureSet(
  set: DataSet,
  { home, rounds }: { readonly home: string; readonly rounds: number },
): Promise<Snapshots> {
  const path = join(home, set.name)
  const config = join(home, `${set.name}.xml`)
  writeFileSync(config, '<clickhouse><enable_system_unfreeze>true</enable_system_unfreeze></clickhouse>\n')
  await using engine = await embeddedEngine({ path, config, random: randomBytes })
  say(`${set.title}: making the data`)
  for (const statement of set.make) await engine.command(statement)
  const permafrost = permafrostAt({ directory: join(home, `${set.name}-permafrost`), engine: path })
  const shadow = join(path, 'shadow', 'bench')
  const out = join(path, 'out')
  const main = fileURLToPath(import.meta.url)

  const wallOf = async (...args: readonly string[]): Promise<number> => (await permafrost(...args)).wall
  const steps: Readonly<Record<StepName, () => number | Promise<number>>> = {
    FREEZE: () => freeze(engine, set),
    'backup --local': () => wallOf('backup', '--local', '-t', `${set.database}.*`),
    export: () => wallOf('export', 'local:latest', out),
    linkTree: async () => Number((await observe([process.execPath, main, '--link', shadow, '--to', out])).stdout),
    'cp -rl': () => measure(['cp', '-rl', shadow, out]).wall,
  }
  const links: readonly StepName[] = ['export', 'linkTree', 'cp -rl']
  const seconds: Record<StepName, number[]> = {
    FREEZE: [],
    'backup --local': [],
    export: [],
    linkTree: [],
    'cp -rl': [],
  }
  const step = async (name: StepName, round: number): Promise<void> => {
    // What the step before has left to write is not this one's.
    spawnSync('sync')
    const taken = await steps[name]()
    seconds[name].push(taken)
    say(`round ${round + 1}, ${name}: ${taken.toFixed(3)} s`)
    rmSync(out, { recursive: true, force: true })
  }
  let files = 0
  for (let round = 0; round < rounds; round++) {
    await step('FREEZE', round)
    files ||= countFiles(shadow)
    await step('backup --local', round)
    const turn = round % links.length
    for (const name of [...links.slice(turn), ...links.slice(0, turn)]) await step(name, round)
    await permafrost('forget', 'local:latest')
    await unfreeze(engine)
  }
  const [row] = await engine.query(
    sql`SELECT count() AS parts FROM system.parts WHERE database = ${set.database} AND active`,
  )
  return { title: set.title, parts: Number(row?.['parts']), files, seconds }
}

function countFiles(directory: string): number {
  return readdirSync(directory, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()).length
}

function markdown(results: readonly Snapshots[]): string {
  const cells = results.map(({ title, parts, files, seconds }) => {
    const links = seconds['cp -rl']
    const beside = median(seconds.linkTree.map((taken, round) => taken / (links[round] ?? Number.NaN)))
    return [
      `${title}: ${files.toLocaleString('en')} files in ${parts.toLocaleString('en')} parts`,
      ...STEPS.map((name) => median(seconds[name]).toFixed(3)),
      beside.toFixed(2),
    ]
  })
  return [
    '| seconds | FREEZE by itself | `backup --local`, FREEZE within | `export local:latest` | the linking in it | `cp -rl` | linking ÷ `cp -rl` |',
    '|---|---:|---:|---:|---:|---:|---:|',
    ...cells.map((row) => `| ${row.join(' | ')} |`),
  ].join('\n')
}

function say(text: string): void {
  process.stderr.write(`${text}\n`)
}
