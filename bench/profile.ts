import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { sql } from '../src/core/sql.ts'
import { processorSeconds, WORK } from './cpu-profile.ts'
import type { Work } from './cpu-profile.ts'
import { dataSets } from './data-sets.ts'
import type { DataSet } from './data-sets.ts'
import { MACHINE } from './machine.ts'
import { madeSet } from './made-set.ts'
import { measure, median } from './measure.ts'
import { PEERS } from './peers.ts'
import type { Place } from './peers.ts'
import { warmMemory } from './warm-memory.ts'

// Where the processors' time of each hot path goes, by V8's own sampling of every thread.
//
//   npm run bench:profile -- [--quick] [--rounds <n>] [--directory <directory>] [--json <file>]

const PATHS = ['first', 'again', 'restore'] as const
const TITLES = { first: 'first backup', again: 'no change', restore: 'restore' } as const

interface Profile {
  readonly title: string
  readonly bytes: number
  readonly parts: number
  /** Seconds, medians. */
  readonly paths: Readonly<Record<(typeof PATHS)[number], Spent>>
}

interface Spent {
  readonly wall: number
  readonly cpu: number
  readonly work: Readonly<Record<Work, number>>
}

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    rounds: { type: 'string' },
    directory: { type: 'string', default: tmpdir() },
    json: { type: 'string' },
  },
})
const rounds = Number(values.rounds ?? (values.quick ? 1 : 3))

const home = mkdtempSync(join(values.directory, 'permafrost-profile-'))
try {
  const profiles: Profile[] = []
  for (const set of dataSets(values.quick ? 0.1 : 1)) profiles.push(await profileSet(set))
  process.stdout.write(`${MACHINE}, medians of ${rounds}\n\n${markdown(profiles)}\n`)
  if (values.json) writeFileSync(values.json, `${JSON.stringify({ machine: MACHINE, rounds, profiles }, null, 2)}\n`)
} finally {
  rmSync(home, { recursive: true, force: true })
}

async function profileSet(set: DataSet): Promise<Profile> {
  const { running, bytes, parts, ...made } = await madeSet(home, set)
  await using engine = made.engine
  const spent = { first: [] as Spent[], again: [] as Spent[], restore: [] as Spent[] }
  for (let round = 0; round < rounds; round++) {
    const place: Place = {
      source: '',
      target: join(home, `${set.name}-${round}`),
      out: '',
      engine: running,
      database: set.database,
    }
    mkdirSync(place.target)
    measure(PEERS[0]?.prepare?.(place) ?? [])
    for (const step of PATHS) {
      warmMemory(home, bytes)
      spent[step].push(spend(PEERS[0]?.command(step, place) ?? [], join(home, `${set.name}-${round}-${step}`)))
    }
    await engine.command(sql`DROP DATABASE IF EXISTS restored SYNC`)
    rmSync(place.target, { recursive: true })
  }
  const paths = { first: middle(spent.first), again: middle(spent.again), restore: middle(spent.restore) }
  return { title: set.title, bytes, parts, paths }
}

function spend(command: readonly string[], directory: string): Spent {
  const flags = ['--cpu-prof', '--cpu-prof-interval', '500', '--cpu-prof-dir', directory]
  const [node = '', ...words] = command
  const { wall, cpu } = measure([node, ...flags, ...words])
  return { wall, cpu, work: processorSeconds(directory, cpu) }
}

function middle(all: readonly Spent[]): Spent {
  const of = (value: (spent: Spent) => number) => median(all.map(value))
  const work = Object.fromEntries(WORK.map((kind) => [kind, of((spent) => spent.work[kind])])) as Record<Work, number>
  return { wall: of(({ wall }) => wall), cpu: of(({ cpu }) => cpu), work }
}

function markdown(profiles: readonly Profile[]): string {
  const columns = profiles.flatMap(({ title, paths }) => PATHS.map((path) => ({ title, path, spent: paths[path] })))
  const row = (name: string, value: (spent: Spent) => number) =>
    `| ${name} | ${columns.map(({ spent }) => value(spent).toFixed(2)).join(' | ')} |`
  return [
    ...profiles.map(({ title, bytes, parts }) => `${title}: ${(bytes / 1e9).toFixed(2)} GB in ${parts} parts.`),
    '',
    `| seconds | ${columns.map(({ title, path }) => `${title}: ${TITLES[path]}`).join(' | ')} |`,
    `|---|${columns.map(() => '---:').join('|')}|`,
    ...WORK.map((kind) => row(kind, ({ work }) => work[kind])),
    row('**processors, all of it**', ({ cpu }) => cpu),
    row('from start to end', ({ wall }) => wall),
  ].join('\n')
}
