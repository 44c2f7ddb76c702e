import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'vitest'
import type { Meter } from '../../src/storage/meter.ts'
import { runCli, startCli } from '../helpers/cli.ts'
import { fingerprint } from '../helpers/workbench.ts'
import type { TestEngine } from '../helpers/workbench.ts'

export interface Place {
  readonly url: string
  /** Secrets by name: the command reads each from a file. */
  readonly credentials?: Readonly<Record<string, string>>
  readonly env?: Readonly<Record<string, string>>
  readonly limits?: Readonly<Record<string, string | number>>
}

/** The command line with a configuration for a place. */
export interface PlaceCli {
  readonly url: string
  /** Where its configuration and its key are. */
  readonly directory: string
  /** Run a command that has to succeed; its answer. */
  json(...args: readonly string[]): Promise<unknown>
  start(...args: readonly string[]): ReturnType<typeof startCli>
}

/** @param directory of this test's own, for the configuration and the secrets */
export function cliAt(
  directory: string,
  engine: TestEngine,
  { url, credentials = {}, env = {}, limits = {} }: Place,
): PlaceCli {
  mkdirSync(directory, { recursive: true })
  const server = JSON.parse(readFileSync(join(engine.path, '.permafrost', 'engine.json'), 'utf8')) as {
    readonly url: string
    readonly password: string
  }
  const secrets = Object.entries({ ...credentials, clickhouse: server.password })
  for (const [name, value] of secrets) writeFileSync(join(directory, `${name}.secret`), value)
  const config = {
    limits,
    clickhouse: { url: server.url, user: 'permafrost', password: '${file:./clickhouse.secret}' },
    repository: {
      url,
      key: '${file:./key}',
      credentials: Object.fromEntries(Object.keys(credentials).map((name) => [name, `\${file:./${name}.secret}`])),
    },
  }
  // JSON is YAML.
  writeFileSync(join(directory, 'c.yaml'), JSON.stringify(config))
  const common = ['-c', join(directory, 'c.yaml')]
  return {
    url,
    directory,
    json: async (...args) => {
      const { code, stdout, stderr } = await runCli([...common, ...args, '--json'], { env })
      expect({ args, code, stderr }).toEqual({ args, code: 0, stderr: expect.any(String) })
      for (const [name, value] of secrets)
        expect({ name, told: (stdout + stderr).includes(value) }).toMatchObject({ told: false })
      return JSON.parse(stdout) as unknown
    },
    start: (...args) => startCli([...common, ...args], { env }),
  }
}

/** The tables that the scenario backs up, in a database of this name. */
export async function fillDatabase(engine: TestEngine, database: string): Promise<void> {
  await engine.run(
    `CREATE DATABASE ${database}`,
    `CREATE TABLE ${database}.events (day UInt8, n UInt64, v String) ENGINE = MergeTree PARTITION BY day ORDER BY n`,
    `INSERT INTO ${database}.events SELECT number % 3, number, randomString(150) FROM numbers(20000)`,
  )
}

/** The whole product at one place: set it up, back up twice, list, verify, forget, prune, query, restore, copy. */
export async function wholeProduct(cli: PlaceCli, engine: TestEngine, database: string): Promise<void> {
  const only = ['-t', `${database}.*`]
  await cli.json('repo', 'init')
  const { requests } = (await cli.json('backup', ...only)) as { readonly requests: ReturnType<Meter['usage']> }
  expect(requests.put?.bytes).toBeGreaterThan(20_000 * 150)
  await engine.run(`TRUNCATE TABLE ${database}.events`)
  await engine.run(`INSERT INTO ${database}.events SELECT 9, number, randomString(150) FROM numbers(20000)`)
  await cli.json('backup', ...only)
  const [first, second] = (await cli.json('list')) as readonly { readonly id: string }[]
  expect(second).toBeDefined()
  await cli.json('verify', '--all', '--level', 'content')
  await cli.json('forget', first?.id ?? '', '--grace', '0s')
  const { collected } = (await cli.json('prune', '--min-age', '0s', '--yes')) as {
    readonly collected: { readonly packs: number; readonly backups: readonly string[] }
  }
  expect(collected.backups).toEqual([first?.id])
  expect(collected.packs).toBeGreaterThan(0)
  const answer = await cli.json('query', 'latest', `SELECT sum(n) AS sum FROM ${database}.events`)
  expect(answer).toMatchObject({ data: [{ sum: Number(await engine.value(`SELECT sum(n) FROM ${database}.events`)) }] })
  await cli.json('restore', 'latest', '--as', `${database}_again`)
  const print = await fingerprint(engine, { database, name: 'events' })
  expect(await fingerprint(engine, { database: `${database}_again`, name: 'events' })).toEqual(print)

  const copy = `file://${join(cli.directory, 'copy')}`
  await cli.json('repo', 'init', '--like', cli.url, '-r', copy)
  await cli.json('copy', 'latest', '--to', copy)
  await cli.json('verify', '--level', 'content', '-r', copy)
}
