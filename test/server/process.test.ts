import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { Operation } from '../../src/server/contract/operations.ts'
import { eventsOf } from '../helpers/agent.ts'
import { startAgentProcess } from '../helpers/agent-process.ts'
import type { AgentProcess } from '../helpers/agent-process.ts'
import { runCli } from '../helpers/cli.ts'
import type { CliOptions } from '../helpers/cli.ts'
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
  await cli('--repo', `file://${home}/second`, 'repo', 'init', '--plain')
})
afterEach(async () => {
  for (const { child, result } of running.splice(0)) {
    child.kill('SIGKILL')
    await result
  }
})
afterAll(() => bench[Symbol.asyncDispose]())

async function configure(agent: Record<string, string> = {}, more: object = {}): Promise<void> {
  writeFileSync(
    join(home, 'permafrost.yaml'),
    JSON.stringify({
      embedded: { path: engine.path },
      repository: { url: `file://${home}/repository` },
      copy: { to: [`file://${home}/second`] },
      select: { tables: ['shop.*'] },
      schedule: { backup: '0 3 * * *' },
      agent: { listen: '127.0.0.1:0', ...agent },
      ...more,
    }),
  )
}

const config = () => ['-c', join(home, 'permafrost.yaml')]
const cli = (...args: readonly string[]) => runCli([...config(), ...args])

async function start(flags: readonly string[] = [], options: CliOptions = {}): Promise<AgentProcess> {
  const agent = await startAgentProcess([...config(), 'agent', ...flags], options)
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

  it('carries out what verify, drill, copy, restore and prune ask of it', async () => {
    const agent = await start()
    const ask = async (...args: readonly string[]) => {
      const { code, stdout, stderr } = await cli(...args, '--agent', agent.url, '--json', '--yes')
      if (code !== 0) throw new Error(stderr)
      return JSON.parse(stdout) as unknown
    }
    expect(await ask('verify', '--sample', '50%')).toMatchObject({ level: 'content', findings: [] })
    expect(await ask('drill')).toMatchObject({ passed: true })
    expect(await ask('copy', '--all')).toMatchObject({
      copies: [{ plan: { mode: 'packs' }, result: { copied: [expect.any(String)] } }],
    })
    const restore = ['restore', 'latest', '-t', 'shop.orders', '--as', 'shop.orders=shop.was'] as const
    expect(await ask(...restore, '--dry-run')).toMatchObject({ steps: [{ target: { name: 'was' } }] })
    expect(await ask(...restore)).toMatchObject({ plan: { steps: [{ target: { name: 'was' } }] } })
    expect(await ask('prune')).toMatchObject({ collected: {} })
    const kinds = (await operations(agent)).map(({ kind, state }) => `${kind} ${state}`)
    expect(kinds.slice(0, 5)).toEqual(['prune ok', 'restore ok', 'copy ok', 'drill ok', 'verify ok'])
    // What a request cannot say, and what has to be confirmed, is refused here as there.
    expect(await cli('copy', '--to', `file://${home}/third`, '--agent', agent.url)).toMatchObject({ code: 2 })
    const replace = await cli('restore', 'latest', '-t', 'shop.orders', '--replace', '--agent', agent.url)
    expect(replace).toMatchObject({ code: 2, stderr: expect.stringContaining('--confirm shop.orders') as string })
    await engine.run('DROP TABLE shop.was')
  })

  it('copies to the other places when one fails, and says which', async () => {
    const nowhere = `file://${home}/nowhere`
    await configure({}, { copy: { to: [nowhere, `file://${home}/second`] } })
    const agent = await start()
    const said = { code: 3, stderr: expect.stringContaining(`${nowhere}: has no copy`) as string }
    for (const how of [[], ['--agent', agent.url]]) {
      const { stdout, ...rest } = await cli('copy', '--all', '--json', ...how)
      expect(rest).toMatchObject(said)
      expect(JSON.parse(stdout)).toMatchObject({ copies: [{ plan: { to: `file://${home}/second` } }] })
    }
    const [last] = await operations(agent)
    expect(last).toMatchObject({ kind: 'copy', state: 'incomplete', findings: 1 })
    expect(await cli('copy', '--all', '--to', nowhere)).toMatchObject({ code: 10 })
    await configure()
  })

  it('as its systemd unit starts it, idles in less than 120 MiB: at first, and when it has worked', async () => {
    const unit = readFileSync(new URL('../../packaging/systemd/permafrost.service', import.meta.url), 'utf8')
    const [, environment = ''] = /^Environment=(.*)$/m.exec(unit) ?? []
    const pairs = environment.split(' ').map((pair) => pair.split(/=(.*)/, 2))
    const agent = await start([], { env: Object.fromEntries(pairs) as Record<string, string> })
    const resident = () =>
      Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${agent.child.pid}/status`, 'utf8'))?.[1]) / 1024
    expect(resident()).toBeLessThan(120)
    for (const command of ['backup', 'verify', 'drill']) await cli(command, '--agent', agent.url)
    expect((await operations(agent)).slice(0, 3).map(({ state }) => state)).toEqual(['ok', 'ok', 'ok'])
    // What it has freed goes back to the system when it has had nothing to do for some seconds.
    await expect.poll(resident, { timeout: 60_000 }).toBeLessThan(120)
  })

  it('holds two hundred streams of events, and tells each', async () => {
    const agent = await start()
    const streams = await Promise.all(
      Array.from({ length: 200 }, async () => eventsOf(await fetch(`${agent.url}/api/v1/events`))),
    )
    const heard = streams.map(async (stream) => (await stream.next()).value?.event)
    await begin(agent, { kind: 'verify', level: 'inventory' })
    expect(await Promise.all(heard)).toEqual(Array.from({ length: 200 }, () => 'operation'))
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

  it('shows its configuration without the secrets in it', async () => {
    await configure({}, { notify: { url: 'http://127.0.0.1:9/hook-of-secrets' } })
    const { url } = await start()
    const shown = await (await fetch(`${url}/api/v1/config`)).text()
    expect(shown).toContain('notify.url')
    expect(shown).not.toContain('hook-of-secrets')
    await configure()
  })

  it('refuses to start where the server makes its own backups, of which it would know nothing', async () => {
    const file = join(home, 'native.yaml')
    const native = {
      clickhouse: { engine: 'native', 'native-to': 'disk:backups' },
      repository: { url: `file://${home}/repository` },
    }
    writeFileSync(file, JSON.stringify(native))
    expect(await runCli(['-c', file, 'agent'])).toMatchObject({
      code: 4,
      stderr: expect.stringContaining('the agent makes no native backups') as string,
    })
  })

  it('refuses an address that others reach, and a product that it does not know', async () => {
    expect(await cli('agent', '--listen', '0.0.0.0:0')).toMatchObject({ code: 4 })
    expect(await cli('agent', '--listen', 'nowhere')).toMatchObject({ code: 4 })
    expect(await cli('agent', '--compat', 'restic')).toMatchObject({ code: 2 })
  })
})
