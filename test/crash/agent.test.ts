import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { BackupResult } from '../../src/operations/backup.ts'
import { openRepository } from '../../src/repository/repository.ts'
import type { Operation } from '../../src/server/contract/operations.ts'
import { API } from '../../src/server/contract/routes.ts'
import { fileStorage } from '../../src/storage/file.ts'
import { eventsOf } from '../helpers/agent.ts'
import { startAgentProcess } from '../helpers/agent-process.ts'
import type { AgentProcess } from '../helpers/agent-process.ts'
import { runCli } from '../helpers/cli.ts'
import { manyBackups } from '../helpers/many-backups.ts'
import { workbench } from '../helpers/workbench.ts'
import type { TestEngine, Workbench } from '../helpers/workbench.ts'

// The agent is killed in the middle of each kind of operation; the one that is started after it says what became of the
// operation, nothing is left behind, and the same operation succeeds.

let bench: Workbench
let engine: TestEngine
let home: string
let agent: AgentProcess

beforeAll(async () => {
  bench = await workbench()
  engine = await bench.engine('clickhouse')
  await engine.run(
    'CREATE DATABASE shop',
    'CREATE TABLE shop.orders (id UInt64, text String) ENGINE = MergeTree PARTITION BY id % 8 ORDER BY id',
    'INSERT INTO shop.orders SELECT number, randomString(100) FROM numbers(400000)',
  )
  home = join(bench.directory, 'home')
  mkdirSync(home)
  writeFileSync(
    join(home, 'permafrost.yaml'),
    JSON.stringify({
      embedded: { path: engine.path },
      repository: { url: `file://${home}/repository` },
      copy: { to: [`file://${home}/second`] },
      drill: { scratch: join(home, 'scratch') },
      retention: { 'keep-last': 10, grace: '0s' },
      agent: { listen: '127.0.0.1:0' },
    }),
  )
  await cli('repo', 'init', '--plain')
  await cli('--repo', `file://${home}/second`, 'repo', 'init', '--plain')
  const { summary } = JSON.parse(await cli('backup', '--json')) as BackupResult
  const repository = await openRepository(fileStorage(join(home, 'repository')), {
    secret: undefined,
    purpose: 'write',
  })
  await manyBackups(repository, { like: summary, count: 200, random: randomBytes })
  agent = await start()
})
afterAll(async () => {
  agent.child.kill('SIGKILL')
  await agent.result
  await bench[Symbol.asyncDispose]()
})

const config = () => ['-c', join(home, 'permafrost.yaml')]
const start = () => startAgentProcess([...config(), 'agent'])

async function cli(...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await runCli([...config(), ...args])
  if (code !== 0) throw new Error(stderr)
  return stdout
}

const post = (path: string, body: object) =>
  fetch(`${agent.url}${API}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })

async function begin(request: object): Promise<string> {
  const { operation } = (await (await post('/operations', request)).json()) as { readonly operation: Operation }
  return operation.id
}

/** Follow an operation until it says something, or to its end. */
async function follow(id: string, until: 'word' | 'end'): Promise<void> {
  const response = await fetch(`${agent.url}${API}/operations/${id}/events`)
  for await (const { event } of eventsOf(response)) if (until === 'word' && event !== 'operation') return
}

async function stateOf(id: string): Promise<string> {
  const { operation } = (await (await fetch(`${agent.url}${API}/operations/${id}`)).json()) as {
    readonly operation: Operation
  }
  return operation.state
}

async function kill(): Promise<void> {
  agent.child.kill('SIGKILL')
  await agent.result
  agent = await start()
}

const namesIn = (directory: string): readonly string[] => (existsSync(directory) ? readdirSync(directory) : [])
const freezes = () => namesIn(join(engine.path, 'shadow')).filter((name) => name.startsWith('permafrost_'))
/** What drills and queries leave goes by a keeper of its own, in a moment. */
const scratchIsEmpty = () => expect.poll(() => namesIn(join(home, 'scratch')), { timeout: 30_000 }).toEqual([])

describe('an agent that is killed', () => {
  it.each([
    { kind: 'backup' },
    { kind: 'verify' },
    { kind: 'restore', backup: 'latest', as: 'rescue' },
    { kind: 'drill', backup: 'latest' },
    { kind: 'copy' },
  ])(
    'in the middle of an operation is explained by the next one, which succeeds with the same: $kind',
    async (request) => {
      const id = await begin(request)
      await follow(id, 'word')
      await kill()
      expect(await stateOf(id)).toBe('interrupted')
      const again = await begin(request)
      await follow(again, 'end')
      expect(await stateOf(again)).toBe('ok')
      expect(freezes()).toEqual([])
      await scratchIsEmpty()
    },
  )

  it('as soon as it has said that it took an operation on has written that down: prune', async () => {
    await cli('forget', '--confirm', (await engine.describe()).host)
    const id = await begin({ kind: 'prune' })
    await kill()
    expect(await stateOf(id)).toBe('interrupted')
    const again = await begin({ kind: 'prune' })
    await follow(again, 'end')
    expect(await stateOf(again)).toBe('ok')
    await cli('verify', '--all', '--level', 'inventory')
  })

  it('while it answers a query leaves no engine and no data of it behind', async () => {
    const sql = 'SELECT count() FROM shop.orders AS a, shop.orders AS b WHERE a.id < sipHash64(b.text)'
    const whole = post('/query', { backup: 'latest', sql }).then((response) => response.text())
    const outcome = whole.then(
      () => 'answered',
      () => 'broken off',
    )
    const scratch = join(home, 'scratch')
    const isAtWork = () => namesIn(scratch).some((name) => existsSync(join(scratch, name, 'metadata')))
    await expect.poll(isAtWork, { timeout: 20_000 }).toBe(true)
    await kill()
    expect(await outcome).toBe('broken off')
    await scratchIsEmpty()
    const lines = await (await post('/query', { backup: 'latest', sql: 'SELECT count() FROM shop.orders' })).text()
    expect(lines).toContain('[400000]')
  })
})
