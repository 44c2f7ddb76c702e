import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { identifier, sql } from '../src/core/sql.ts'
import { dataSets } from './data-sets.ts'
import type { DataSet } from './data-sets.ts'
import { freeze, unfreeze } from './freeze.ts'
import { MACHINE } from './machine.ts'
import { madeSet } from './made-set.ts'
import { measure } from './measure.ts'
import { installedPeers } from './peers.ts'
import type { Peer, Place, Step } from './peers.ts'
import { chart, markdown } from './report.ts'
import type { Result } from './report.ts'
import { warmMemory } from './warm-memory.ts'

// Side by side with what is installed here: every tool does every step of a round before the next round begins, in another
// order each time, so that a noisy machine is noisy for all of them.

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    rounds: { type: 'string' },
    /** One data set only, by its name. */
    set: { type: 'string' },
    directory: { type: 'string', default: tmpdir() },
    json: { type: 'string' },
    svg: { type: 'string' },
  },
})
const rounds = Number(values.rounds ?? (values.quick ? 1 : 3))
const scale = values.quick ? 0.1 : 1

const home = mkdtempSync(join(values.directory, 'permafrost-bench-'))
try {
  const results: Result[] = []
  const sets = dataSets(scale).filter(({ name }) => values.set === undefined || values.set === name)
  for (const set of sets) results.push(await measureSet(set))
  process.stdout.write(markdown(results, { machine: MACHINE, rounds }))
  if (values.json) writeFileSync(values.json, `${JSON.stringify({ machine: MACHINE, rounds, results }, null, 2)}\n`)
  if (values.svg) writeFileSync(values.svg, chart(results))
} finally {
  rmSync(home, { recursive: true, force: true })
}

async function measureSet(set: DataSet): Promise<Result> {
  const { path, running, bytes, parts, ...made } = await madeSet(home, set)
  await using engine = made.engine
  const peers = installedPeers()
  const result: Result = { title: set.title, bytes, parts, freeze: [], usages: [] }
  for (let round = 0; round < rounds; round++) {
    const tools = [...peers.slice(round % peers.length), ...peers.slice(0, round % peers.length)]
    const placeOf = ({ name }: Peer): Place => ({
      source: join(path, 'shadow', 'bench'),
      target: join(home, `${set.name}-${round}-${name.replaceAll(/\W+/g, '-')}`),
      out: join(home, 'out'),
      engine: running,
      database: set.database,
    })
    const step = async (peer: Peer, which: Step): Promise<void> => {
      const argv = peer.command(which, placeOf(peer))
      if (!argv) return
      spawnSync('sync')
      warmMemory(home, bytes)
      const usage = measure(argv, { env: peer.env ?? {} })
      result.usages.push({ peer: peer.name, inServer: peer.inServer ?? false, step: which, ...usage })
      say(`round ${round + 1}, ${peer.name}, ${which}: ${usage.wall.toFixed(2)} s`)
    }
    // Part of Permafrost's times, and of nobody else's.
    result.freeze.push(await freeze(engine, set))
    for (const peer of tools) {
      mkdirSync(placeOf(peer).target)
      const ready = peer.prepare?.(placeOf(peer))
      if (ready) measure(ready, { env: peer.env ?? {} })
      await step(peer, 'first')
      await step(peer, 'again')
    }
    for (const statement of set.change) await engine.command(statement)
    await freeze(engine, set)
    for (const peer of tools) {
      await step(peer, 'changed')
      mkdirSync(placeOf(peer).out)
      await step(peer, 'restore')
      await engine.command(sql`DROP DATABASE IF EXISTS restored SYNC`)
      for (const used of [placeOf(peer).target, placeOf(peer).out]) rmSync(used, { recursive: true })
    }
    rmSync(join(path, 'backups'), { recursive: true, force: true })
    await unfreeze(engine)
  }
  await engine.command(sql`DROP DATABASE ${identifier(set.database)} SYNC`)
  return result
}

function say(text: string): void {
  process.stderr.write(`${text}\n`)
}
