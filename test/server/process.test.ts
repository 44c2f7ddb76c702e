import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { Operation } from '../../src/server/contract/operations.ts'
import { startAgentProcess } from '../helpers/agent-process.ts'
import type { AgentProcess } from '../helpers/agent-process.ts'
import { runCli } from '../helpers/cli.ts'
import { workbench } from '../helpers/workbench.ts'
import type { TestEngine, Workbench } from '../helpers/workbench.ts'

// The agent as a process of its own: how it starts, is asked, reads its configuration again, stops, and is killed.

let bench: Workbench
let engine: TestEngine
let home: string
const running: AgentProcess[] = []

beforeAll(async () => {
  bench = await workbench()
  engine = await bench.engine('clickhouse')
  await engine.run(
    'CREATE DATABASE shop',
    'CREATE TABLE shop.orders (id UInt64, text String) ENGINE = MergeTree ORDER BY id',
    'INSERT INTO shop.orders SELECT number, randomString(100) FROM numbers(100000)',
  )
  home = join(bench.directory, 'home')
  mkdirSync(home)
  await configure()
  const { code, stderr } = await cli('repo', 'init', '--plain')
  if (code !== 0) throw new Error(stderr)
})
afterEach(async () => {
  for (const { child, result } of running.splice(0)) {
    child.kill('SIGKILL')
    await result
  }
})
afterAll(() => bench[Symbol.asyncDispose]())

async function configure(agent: Record<string, string> = {}): Promise<void> {
  writeFileSync(
    join(home, 'permafrost.yaml'),
    JSON.stringify({
      embedded: { path: engine.path },
      repository: { url: `file://${home}/repository` },
      select: { tables: ['shop.*'] },
      schedule: { backup: '0 3 * * *' },
      agent: { listen: '127.0.0.1:0', ...agent },
    }),
  )
}

const config = () => ['-c', join(home, 'permafrost.yaml')]
const cli = (...args: readonly string[]) => runCli([...config(), ...args])

async function start(...flags: readonly string[]): Promise<AgentProcess> {
  const agent = await startAgentProcess([...config(), 'agent', ...flags])
  running.push(agent)
  return agent
}

async function operations({ url }: AgentProcess): Promise<readonly Operation[]> {
  const answer = (await (await fetch(`${url}/api/v1/operations`)).json()) as {
    readonly operations: readonly Operation[]
  }
  return answer.operations
}

/** Start an operation, and wait until it is written down that it began. */
async function begin({ url }: AgentProcess, request: object): Promise<string> {
  const answer = await fetch(`${url}/api/v1/operations`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(request),
  })
  const { operation } = (await answer.json()) as { readonly operation: Operation }
  while (!existsSync(join(home, 'repository', 'operations', operation.id, 'begin'))) await sleep(1)
  return operation.id
}

/** What FREEZE has left. */
function freezes(): readonly string[] {
  const shadow = join(engine.path, 'shadow')
  return existsSync(shadow) ? readdirSync(shadow).filter((name) => name.startsWith('permafrost_')) : []
}

describe('permafrost agent', () => {
  it('does what another command asks of it, and shows it on the way', async () => {
    const { url } = await start()
    const made = await cli('backup', '--agent', url, '--tag', 'mine', '--json', '--progress', 'plain')
    expect(made).toMatchObject({ code: 0, stderr: expect.stringContaining('freezing 1 table') as string })
    const { summary } = JSON.parse(made.stdout) as { readonly summary: { readonly id: string } }
    const listed = await cli('list', '--agent', url, '--json')
    expect(JSON.parse(listed.stdout)).toEqual(JSON.parse((await cli('list', '--json')).stdout))
    expect(listed.stdout).toContain(summary.id)

    const all = await cli('operations', '--agent', url)
    expect(all.stdout).toMatch(/backup +✓ ok +local/)
    expect(all.stdout).toMatch(/Next backup: \d{4}-/)
    const [id = ''] = /\S+-\w{6}(?= +backup)/.exec(all.stdout) ?? []
    const followed = await cli('operations', id, '--agent', url, '--follow')
    expect(followed).toMatchObject({ code: 0, stdout: expect.stringContaining('✓ ok') as string })
    expect(await cli('operations', id, '--agent', url, '--cancel')).toMatchObject({ code: 6 })
    expect(await cli('operations', 'none', '--agent', url)).toMatchObject({ code: 5 })
  })

  it('that is not there is said to be not there', async () => {
    const result = await cli('operations', '--agent', 'http://127.0.0.1:9')
    expect(result).toMatchObject({
      code: 9,
      stderr: expect.stringContaining('no agent of Permafrost answers') as string,
    })
  })

  it('stops in good order on SIGTERM: what ran is written down as interrupted, and no freeze is left', async () => {
    const agent = await start()
    const id = await begin(agent, { kind: 'backup' })
    agent.child.kill('SIGTERM')
    expect(await agent.result).toMatchObject({ code: 0 })
    expect(agent.log().at(-1)?.message).toBe('stopped')
    expect(freezes()).toEqual([])
    const next = await start()
    expect((await operations(next)).find((one) => one.id === id)).toMatchObject({ state: 'interrupted' })
  })

  it('that is killed in the middle is explained by the next one, which goes on and cleans up', async () => {
    const agent = await start()
    const ids = [await begin(agent, { kind: 'verify', all: true }), await begin(agent, { kind: 'backup' })]
    agent.child.kill('SIGKILL')
    await agent.result
    const next = await start()
    const known = await operations(next)
    expect(known.find(({ id }) => id === ids[1])).toMatchObject({ state: 'interrupted', by: 'local' })
    expect(known.filter(({ state }) => state === 'running')).toEqual([])
    expect(await cli('backup', '--agent', next.url)).toMatchObject({ code: 0 })
    expect(freezes()).toEqual([])
    expect(await cli('verify', '--all', '--level', 'inventory')).toMatchObject({ code: 0 })
  })

  it('reads its configuration again on SIGHUP, and keeps the old one when the new one is wrong', async () => {
    const agent = await start()
    const next = async () =>
      (
        (await (await fetch(`${agent.url}/api/v1/schedule`)).json()) as {
          readonly entries: readonly { readonly cron: string }[]
        }
      ).entries.map(({ cron }) => cron)
    const said = async (text: string) => {
      while (!agent.log().some(({ message }) => message.includes(text))) await sleep(20)
    }
    expect(await next()).toEqual(['0 3 * * *'])
    const file = join(home, 'permafrost.yaml')
    const before = readFileSync(file, 'utf8')
    writeFileSync(file, before.replace('0 3 * * *', '0 4 * * *'))
    agent.child.kill('SIGHUP')
    await said('read again')
    expect(await next()).toEqual(['0 4 * * *'])
    writeFileSync(file, before.replace('0 3 * * *', 'never'))
    agent.child.kill('SIGHUP')
    await said('stays as it was')
    expect(await next()).toEqual(['0 4 * * *'])
    await configure()
  })

  it('shows a token once, keeps its hash, and lets in whoever has it', async () => {
    const file = join(home, 'tokens')
    await configure({ tokens: `\${file:${file}}` })
    const { code, stdout } = await cli('agent', 'token', 'add', 'me', '--scope', 'operate')
    const token = stdout.trim()
    expect({ code, token }).toMatchObject({ code: 0, token: expect.stringMatching(/^permafrost_[\w-]{43}$/) as string })
    expect(readFileSync(file, 'utf8')).toMatch(/^me operate sha256:[0-9a-f]{64}\n$/)
    expect(await cli('agent', 'token', 'add', 'me')).toMatchObject({ code: 6 })
    const agent = await start()
    expect(await cli('operations', '--agent', agent.url)).toMatchObject({
      code: 7,
      stderr: expect.stringContaining('PERMAFROST_AGENT_TOKEN') as string,
    })
    const env = { PERMAFROST_AGENT_TOKEN: token }
    expect(await runCli([...config(), 'operations', '--agent', agent.url], { env })).toMatchObject({ code: 0 })
    expect(JSON.stringify(agent.log())).not.toContain(token)
    await configure()
  })

  it('refuses an address that others reach, and a product that it does not know', async () => {
    expect(await cli('agent', '--listen', '0.0.0.0:0')).toMatchObject({ code: 4 })
    expect(await cli('agent', '--listen', 'nowhere')).toMatchObject({ code: 4 })
    expect(await cli('agent', '--compat', 'restic')).toMatchObject({ code: 2 })
  })
})
