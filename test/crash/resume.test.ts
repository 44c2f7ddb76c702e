import { cpSync, existsSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { layout } from '../../src/core/layout.ts'
import { thisFreezer } from '../../src/engine/freezer.ts'
import { runCli, startCli } from '../helpers/cli.ts'
import { keysOf, workbench } from '../helpers/workbench.ts'
import type { Workbench } from '../helpers/workbench.ts'

let bench: Workbench
let home: string

beforeAll(async () => {
  bench = await workbench()
  home = mkdtempSync(join(tmpdir(), 'permafrost-resume-'))
  const engine = await bench.engine('engine')
  await engine.run(
    'CREATE DATABASE k',
    'CREATE TABLE k.big (p UInt8, n UInt64, v String) ENGINE = MergeTree PARTITION BY p ORDER BY n SETTINGS min_bytes_for_wide_part = 0',
    ...Array.from(
      { length: 5 },
      (_, p) => `INSERT INTO k.big SELECT ${p}, number, randomString(400) FROM numbers(200000)`,
    ),
    'OPTIMIZE TABLE k.big FINAL',
  )
})
afterAll(async () => {
  rmSync(home, { recursive: true, force: true })
  await bench[Symbol.asyncDispose]()
})

const bytesBelow = (directory: string): number =>
  readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0)

const hasJournal = (sessions: string): boolean =>
  existsSync(sessions) && readdirSync(sessions, { recursive: true }).some((name) => /\/\d+$/.test(String(name)))

describe('a backup that ended early', () => {
  it('is gone on with: what it stored is not stored twice, and its journal goes', async () => {
    const engine = await bench.engine('again', { path: join(bench.directory, 'engine') })
    const repository = await bench.repository('failing')
    const { storage } = repository
    let puts = 0
    const failing = {
      ...storage,
      put: async (...args: Parameters<typeof storage.put>) => {
        if (args[0].startsWith(layout.packs.prefix) && ++puts > 24) throw new Error('the store is gone')
        return storage.put(...args)
      },
    }
    const gone = { ...thisFreezer(), started: 1 }
    const dying = bench.context(engine, { ...repository, storage: failing }, { self: gone })
    await expect(dying.backup({ tables: ['k.*'] })).rejects.toThrow('the store is gone')
    const stored = new Set(await keysOf(storage, layout.packs.prefix))
    expect(stored.size).toBeGreaterThan(5)
    const packs = join(bench.directory, 'failing', 'packs')
    const before = bytesBelow(packs)
    const { summary } = await bench.context(engine, repository).backup({ tables: ['k.*'], resume: true })
    expect(summary.reused).toBeGreaterThan(60 << 20)
    expect((await bench.context(engine, repository).verify([summary.id], 'content')).findings).toEqual([])
    expect(bytesBelow(packs) - before).toBeLessThan(summary.logical - summary.reused + (1 << 20))
    // What is lost is what the two workers had at hand: one of the five parts each.
    expect(summary.reused).toBeGreaterThan(before - (2 / 5) * summary.logical - (1 << 20))
    expect(await keysOf(storage, layout.sessions.prefix)).toEqual([])
    await expect(bench.context(engine, repository).backup({ resume: true })).rejects.toMatchObject({
      code: 'NOT_FOUND',
    })
    await engine[Symbol.asyncDispose]()
  })

  it('by SIGKILL is gone on with by the same command', async () => {
    cpSync(join(bench.directory, 'engine'), join(home, 'clickhouse'), { recursive: true })
    const config = join(home, 'c.yaml')
    writeFileSync(
      config,
      `embedded: { path: ./clickhouse }\nrepository: { url: "file://${home}/repository" }\nlimits: { memory: 40MiB }`,
    )
    expect((await runCli(['-c', config, 'repo', 'init', '--plain'])).code).toBe(0)
    const { child, result } = startCli(['-c', config, 'backup', '-t', 'k.*'])
    const sessions = join(home, 'repository', 'sessions')
    while (!hasJournal(sessions) && child.exitCode === null) await sleep(5)
    child.kill('SIGKILL')
    expect((await result).signal).toBe('SIGKILL')
    const { code, stdout, stderr } = await runCli(['-c', config, 'backup', '-t', 'k.*', '--json'])
    expect({ code, stderr }).toMatchObject({ code: 0 })
    expect(stderr).toContain('going on from')
    const { summary } = JSON.parse(stdout)
    expect(summary.reused).toBeGreaterThan(60 << 20)
    expect((await runCli(['-c', config, 'verify', 'latest'])).code).toBe(0)
  })
})
