import type { ChildProcess } from 'node:child_process'
import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { runCli, startCli } from '../helpers/cli.ts'
import { hasOldServer, oldServer } from '../helpers/old-server.ts'
import { workbench } from '../helpers/workbench.ts'
import type { TestEngine, Workbench } from '../helpers/workbench.ts'

const PARTS = 120
const COLUMNS = '(p UInt16, k UInt64) ENGINE = MergeTree PARTITION BY p ORDER BY k'

describe.runIf(hasOldServer)('a restore to ClickHouse 18.16 that is killed during ATTACH', () => {
  let bench: Workbench
  let server: TestEngine

  beforeAll(async () => {
    bench = await workbench()
    await start()
    await server.run(
      'CREATE DATABASE k',
      `CREATE TABLE k.many ${COLUMNS}`,
      `INSERT INTO k.many SELECT number % ${PARTS / 2}, number FROM system.numbers LIMIT 3000`,
      `INSERT INTO k.many SELECT number % ${PARTS / 2}, number FROM system.numbers LIMIT 3000`,
    )
    for (const args of [['repo', 'init', '--plain'], ['backup']]) {
      const { code, stderr } = await cli(...args)
      if (code !== 0) throw new Error(stderr)
    }
  })
  afterAll(async () => {
    await server[Symbol.asyncDispose]()
    await bench[Symbol.asyncDispose]()
  })

  /** The server on its data directory, with a configuration that reaches it: it has another port each time. */
  async function start(): Promise<void> {
    server = await oldServer(join(bench.directory, 'server'))
    const clickhouse = `clickhouse: { url: "${server.location}", user: default }`
    const repository = `repository: { url: "file://${bench.directory}/repository" }`
    writeFileSync(join(bench.directory, 'c.yaml'), `${clickhouse}\n${repository}\n`)
  }

  const withConfig = (args: readonly string[]) => ['-c', join(bench.directory, 'c.yaml'), ...args]
  const env = { PERMAFROST_CLICKHOUSE_PASSWORD: 'secret' }
  const cli = (...args: readonly string[]) => runCli(withConfig(args), { env })

  const active = async (database: string) =>
    Number(await server.value(`SELECT count() FROM system.parts WHERE active AND database = '${database}'`))

  /** Wait until so many parts are attached, or the process has ended. */
  async function attaching(database: string, parts: number, child: ChildProcess): Promise<void> {
    while (child.exitCode === null && (await active(database)) < parts);
  }

  async function expectWhole(database: string): Promise<void> {
    const sums = (table: string) => server.rows(`SELECT count() AS n, sum(cityHash64(p, k)) AS h FROM ${table}`)
    expect(await sums(`${database}.many`)).toEqual(await sums('k.many'))
    const detached = join(server.path, 'data', database, 'many', 'detached')
    expect(existsSync(detached) ? readdirSync(detached) : []).toEqual([])
  }

  it.each([10, 70])('after %i parts is run again: no row twice, nothing left in detached/', async (parts) => {
    const database = `client_${parts}`
    await server.run(`CREATE DATABASE ${database}`, `CREATE TABLE ${database}.many ${COLUMNS}`)
    const restore = ['restore', 'latest', '--data-only', '--as', database]
    const { child, result } = startCli(withConfig(restore), { env })
    await attaching(database, parts, child)
    child.kill('SIGKILL')
    expect((await result).signal).toBe('SIGKILL')
    const { code, stderr } = await cli(...restore)
    expect({ code, stderr }).toMatchObject({ code: 0 })
    await expectWhole(database)
  })

  it.each([40])('after %i parts, with the server, is run again when the server is back', async (parts) => {
    const database = `server_${parts}`
    await server.run(`CREATE DATABASE ${database}`, `CREATE TABLE ${database}.many ${COLUMNS}`)
    const restore = ['restore', 'latest', '--data-only', '--as', database]
    const { child, result } = startCli(withConfig(restore), { env })
    await attaching(database, parts, child)
    await server[Symbol.asyncDispose]()
    expect((await result).code).not.toBe(0)
    await start()
    const { code, stderr } = await cli(...restore)
    expect({ code, stderr }).toMatchObject({ code: 0 })
    await expectWhole(database)
  })
})
