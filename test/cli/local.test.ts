import { cpSync, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { runCli, startCli } from '../helpers/cli.ts'
import { workbench } from '../helpers/workbench.ts'
import type { Workbench } from '../helpers/workbench.ts'

let bench: Workbench
let home: string

beforeAll(async () => {
  bench = await workbench()
  home = mkdtempSync(join(tmpdir(), 'permafrost-local-'))
  const engine = await bench.engine('engine')
  await engine.run(
    'CREATE DATABASE shop',
    'CREATE TABLE shop.orders (p UInt16, k UInt64) ENGINE = MergeTree PARTITION BY p ORDER BY k',
    'INSERT INTO shop.orders SELECT number % 90, number FROM numbers(900)',
  )
  await engine[Symbol.asyncDispose]()
  cpSync(engine.path, join(home, 'clickhouse'), { recursive: true })
  const repository = `repository: { url: "file://${home}/repository" }`
  writeFileSync(join(home, 'c.yaml'), `embedded: { path: ./clickhouse }\n${repository}\n`)
})
afterAll(async () => {
  rmSync(home, { recursive: true, force: true })
  await bench[Symbol.asyncDispose]()
})

const cli = (...args: readonly string[]) => runCli(['-c', join(home, 'c.yaml'), ...args])

async function answer<T>(...args: readonly string[]): Promise<T> {
  const { code, stdout, stderr } = await cli(...args, '--json')
  expect({ code, stderr }).toMatchObject({ code: 0 })
  return JSON.parse(stdout) as T
}

interface Listed {
  readonly id: string
  readonly pinned: number
}

describe('local snapshots on the command line', () => {
  it('need no repository, and are listed, shown, restored, exported and forgotten by local:<id>', async () => {
    const { id } = await answer<Listed>('backup', '--local', '--tag', 'before-upgrade')
    expect(await answer('list', '--local')).toMatchObject([{ id, parts: 90, pinned: 0, tags: ['before-upgrade'] }])
    expect((await cli('list', '--local')).stdout).toMatch(/^LOCAL +MADE +TABLES/)
    expect(await answer('show', `local:${id}`)).toMatchObject({ tables: [{ name: 'orders', parts: 90, rows: 900 }] })
    expect(await answer('restore', 'local:latest', '--as', 'was')).toMatchObject({ tables: [{ parts: 90, rows: 900 }] })
    expect(await answer('export', `local:${id}`, join(home, 'tree'))).toMatchObject({ tables: 1, parts: 90 })
    expect(existsSync(join(home, 'tree/metadata/shop/orders.sql'))).toBe(true)
    await answer('forget', `local:${id}`)
    expect(await answer('list', '--local')).toEqual([])
    expect(readdirSync(join(home, 'clickhouse/permafrost_local'))).toEqual([])
  })

  it('are stored in a repository later', async () => {
    await answer('repo', 'init', '--plain')
    const { id } = await answer<Listed>('backup', '--local', '-t', 'shop.*')
    const { summary } = await answer<{ readonly summary: { readonly id: string } }>('backup', '--from-local', id)
    expect(summary).toMatchObject({ parts: 90, rows: 900 })
    expect((await cli('verify', summary.id)).code).toBe(0)
  })

  it('are whole or not there when their process is killed', async () => {
    let killed = 0
    for (const moment of [400, 550, 700, 900]) {
      const { child, result } = startCli(['-c', join(home, 'c.yaml'), 'backup', '--local', '-t', 'shop.*'])
      await Promise.race([sleep(moment), result])
      child.kill('SIGKILL')
      if ((await result).signal === 'SIGKILL') killed++
    }
    expect(killed).toBeGreaterThan(1)
    await answer('backup', '--local', '-t', 'shop.*')
    const listed = await answer<readonly Listed[]>('list', '--local')
    // A record and a directory for each, and nothing else.
    expect(readdirSync(join(home, 'clickhouse/permafrost_local'))).toHaveLength(2 * listed.length)
    expect(readdirSync(join(home, 'clickhouse/shadow')).filter((name) => name.startsWith('permafrost'))).toEqual([])
    for (const [index, { id }] of listed.entries())
      expect(await answer('restore', `local:${id}`, '--as', `again_${index}`)).toMatchObject({
        tables: [{ rows: 900 }],
      })
  })
})
