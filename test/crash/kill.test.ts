import type { ChildProcess } from 'node:child_process'
import { cpSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { randomBytes } from 'node:crypto'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { embeddedEngine } from '../../src/engine/embedded.ts'
import { runCli, startCli } from '../helpers/cli.ts'
import { fingerprint, partList, workbench } from '../helpers/workbench.ts'
import type { Workbench } from '../helpers/workbench.ts'

let bench: Workbench
let home: string

/** A data directory with enough in it that a kill finds work under way, and a repository with a backup of it. */
beforeAll(async () => {
  bench = await workbench()
  home = mkdtempSync(join(tmpdir(), 'permafrost-kill-'))
  const engine = await bench.engine('engine')
  await engine.run(
    'CREATE DATABASE k',
    'CREATE TABLE k.big (p UInt8, n UInt64, v String) ENGINE = MergeTree PARTITION BY p ORDER BY n SETTINGS min_bytes_for_wide_part = 0',
    'INSERT INTO k.big SELECT number % 8, number, randomString(150) FROM numbers(300000)',
    'CREATE TABLE k.many (p UInt16, n UInt64) ENGINE = MergeTree PARTITION BY p ORDER BY n SETTINGS max_partitions_to_read = 0',
    'INSERT INTO k.many SELECT number % 90, number FROM numbers(9000)',
  )
  await engine[Symbol.asyncDispose]()
  cpSync(engine.path, join(home, 'clickhouse'), { recursive: true })
  writeFileSync(
    join(home, 'c.yaml'),
    `embedded: { path: ./clickhouse }\nrepository: { url: "file://${home}/repository" }`,
  )
  const { code, stderr } = await cli('repo', 'init', '--plain')
  if (code !== 0) throw new Error(stderr)
})
afterAll(async () => {
  rmSync(home, { recursive: true, force: true })
  await bench[Symbol.asyncDispose]()
})

const cli = (...args: readonly string[]) => runCli(['-c', join(home, 'c.yaml'), ...args])

/** Pull the plug after so many milliseconds: the process dies by SIGKILL, and its embedded engine with it. */
async function killAfter(milliseconds: number, ...args: readonly string[]): Promise<NodeJS.Signals | null> {
  const { child, result } = startCli(['-c', join(home, 'c.yaml'), ...args])
  await Promise.race([sleep(milliseconds), result])
  child.kill('SIGKILL')
  return (await result).signal
}

const MOMENTS = [200, 300, 350, 400, 450, 500, 600, 700, 850]

describe('a process that is killed', () => {
  it('during a backup leaves nothing that is taken for a backup; the next run clears its freeze and is whole', async () => {
    let killed = 0
    for (const moment of MOMENTS) {
      if ((await killAfter(moment, 'backup')) === 'SIGKILL') killed++
      const { code, stdout } = await cli('list', '--json')
      expect(code).toBe(0)
      for (const { id } of JSON.parse(stdout) as readonly { readonly id: string }[])
        expect((await cli('verify', id)).code).toBe(0)
    }
    expect(killed).toBeGreaterThan(2)
    const { code, stderr } = await cli('backup')
    expect({ code, stderr }).toMatchObject({ code: 0 })
    expect(ourShadows()).toEqual([])
    expect((await cli('verify', 'latest')).code).toBe(0)
  }, 180_000)

  it('during a restore is simply run again: nothing is there twice, and nothing is missing', async () => {
    let killed = 0
    for (const [round, moment] of MOMENTS.entries()) {
      if ((await killAfter(moment, 'restore', 'latest', '--as', `again_${round}`)) === 'SIGKILL') killed++
      // A table that was finished before the kill is a conflict by now; those that were not are restored.
      for (const table of ['big', 'many']) {
        const { code, stderr } = await cli('restore', 'latest', '-t', `k.${table}`, '--as', `again_${round}`)
        expect({ stderr, ended: code === 0 || code === 6 }).toMatchObject({ ended: true })
      }
    }
    expect(killed).toBeGreaterThan(2)
    await using engine = await embeddedEngine({ path: join(home, 'clickhouse'), random: randomBytes })
    for (const name of ['big', 'many']) {
      const table = { database: 'k', name }
      const [print, parts] = [await fingerprint(engine, table), await partList(engine, table)]
      for (const round of MOMENTS.keys()) {
        expect(await fingerprint(engine, { database: `again_${round}`, name })).toEqual(print)
        expect(await partList(engine, { database: `again_${round}`, name })).toEqual(parts)
      }
    }
  }, 180_000)

  it('takes its embedded engine along, and the next one starts at once', async () => {
    const { child, result } = startCli(['-c', join(home, 'c.yaml'), 'backup'])
    await sleep(450)
    child.kill('SIGKILL')
    await result
    expect((await cli('doctor')).code).toBe(0)
  })

  it('by Ctrl-C undoes its freeze and ends with 130', async () => {
    const { child, result } = await backupThatFreezes('stopped')
    child.kill('SIGINT')
    const { code, stderr } = await result
    expect({ code, stderr }).toMatchObject({ code: 130, stderr: expect.stringContaining('CANCELLED 130') })
    expect(ourShadows()).toEqual([])
  })

  it('by a second Ctrl-C leaves at once, and the next run undoes the freeze', async () => {
    const { child, result } = await backupThatFreezes('left')
    child.kill('SIGINT')
    await saying(child, 'stopping')
    child.kill('SIGINT')
    expect(await result).toMatchObject({ code: 130 })
    expect((await cli('backup')).code).toBe(0)
    expect(ourShadows()).toEqual([])
  })
})

const ourShadows = () => readdirSync(join(home, 'clickhouse', 'shadow')).filter((name) => name.startsWith('permafrost'))

/** A backup into a repository that has nothing yet, at the moment when it freezes. */
async function backupThatFreezes(repository: string) {
  const to = ['--repo', `file://${home}/${repository}`]
  expect((await cli(...to, 'repo', 'init', '--plain')).code).toBe(0)
  const run = startCli(['-c', join(home, 'c.yaml'), ...to, 'backup'])
  await saying(run.child, 'freezing')
  return run
}

/** Settles when a process has said a word on stderr, or has ended. */
function saying(child: ChildProcess, word: string): Promise<void> {
  return new Promise((done) => {
    let said = ''
    child.once('close', () => done())
    child.stderr?.on('data', (chunk: Buffer) => {
      said += chunk.toString()
      if (said.includes(word)) done()
    })
  })
}
