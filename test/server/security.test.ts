import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { request as requestSecurely } from 'node:https'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { Repository } from '../../src/repository/repository.ts'
import { API, ROUTES } from '../../src/server/contract/routes.ts'
import type { Route } from '../../src/server/contract/routes.ts'
import { allows } from '../../src/server/auth.ts'
import { SCOPES } from '../../src/server/contract/shapes.ts'
import { findToken, makeToken, parseTokens, tokenLine } from '../../src/server/tokens.ts'
import { randomBytes } from 'node:crypto'
import { SETTINGS, testAgent } from '../helpers/agent.ts'
import { makeCertificate } from '../helpers/stores/certificate.ts'
import type { AgentInTest, TestAgent } from '../helpers/agent.ts'
import { keysOf, workbench } from '../helpers/workbench.ts'
import type { Workbench } from '../helpers/workbench.ts'

// Each rule has a test that fails when the rule is taken away.

const TOKENS = Object.fromEntries(SCOPES.map((scope) => [scope, makeToken(randomBytes(32))])) as Record<
  (typeof SCOPES)[number],
  string
>
const FILE = ['# who may', ...SCOPES.map((scope) => tokenLine(`a-${scope}`, scope, TOKENS[scope]))].join('\n')

let bench: Workbench
let repository: Repository
let agents: TestAgent[] = []

beforeAll(async () => {
  bench = await workbench()
  repository = await bench.repository('repository')
  mkdirSync(join(bench.directory, 'console', 'assets'), { recursive: true })
  writeFileSync(join(bench.directory, 'console', 'index.html'), '<!doctype html><title>Permafrost</title>')
  writeFileSync(join(bench.directory, 'console', 'assets', 'a-1.js'), 'export {}')
  writeFileSync(join(bench.directory, 'secret.txt'), 'secret')
})
afterEach(async () => {
  for (const agent of agents) await agent.stop()
  agents = []
})
afterAll(() => bench[Symbol.asyncDispose]())

async function start(settings: AgentInTest['settings'] = {}, ports: AgentInTest['ports'] = {}): Promise<TestAgent> {
  const agent = await testAgent(bench, { engine: 'clickhouse', repository, settings, ports })
  agents.push(agent)
  return agent
}

const guarded = (more: AgentInTest['settings'] = {}) => start({ tokens: parseTokens(FILE), ...more })
const bearer = (token: string) => ({ authorization: `Bearer ${token}` })
const json = { 'content-type': 'application/json' }

/** A request as no browser and no fetch would send it. */
function raw(agent: TestAgent, path: string, headers: Record<string, string>): Promise<number | undefined> {
  return new Promise((done, fail) => {
    const call = request(`${agent.url}${path}`, { headers }, (response) => {
      response.resume()
      done(response.statusCode)
    })
    call.on('error', fail)
    call.end()
  })
}

/** Sign in over TLS. @returns the cookie */
function secureSignIn(url: string, certificate: string): Promise<string> {
  return new Promise((done, fail) => {
    const { port } = new URL(url)
    const options = { host: '127.0.0.1', port, path: `${API}/session`, method: 'POST', headers: json, ca: certificate }
    const call = requestSecurely(options, (response) => {
      response.resume()
      done(response.headers['set-cookie']?.[0] ?? '')
    })
    call.on('error', fail)
    call.end(JSON.stringify({ token: TOKENS.read }))
  })
}

describe('who may come in', () => {
  it('without a token nobody may anything but see that the agent is up', async () => {
    const agent = await guarded()
    const answers = await Promise.all(
      Object.values<Route>(ROUTES).map(async ({ method, path, scope }) => {
        const { status } = await agent.send(API + path, {
          method,
          headers: json,
          ...(method !== 'GET' && { body: '{}' }),
        })
        return { path, isOpen: scope === 'open', status }
      }),
    )
    const closed = answers.filter(({ isOpen }) => !isOpen)
    expect(closed.length).toBeGreaterThan(15)
    for (const { path, status } of closed) expect({ path, status }).toEqual({ path, status: 401 })
    expect((await agent.send('/metrics')).status).toBe(401)
    expect(await agent.ask('health')).toEqual({ status: 'ok', version: 'test' })
    expect(await agent.ask('session')).toEqual({ required: true, authenticated: false })
  })

  it('a wrong token is none, and ten wrong ones are too many', async () => {
    const agent = await guarded()
    const tries = []
    for (let n = 0; n < 12; n++)
      tries.push((await agent.send(`${API}/backups`, { headers: bearer(`wrong ${n}`) })).status)
    expect(tries.slice(0, 10)).toEqual(Array.from({ length: 10 }, () => 401))
    expect(tries.at(-1)).toBe(429)
    expect((await agent.send(`${API}/backups`, { headers: bearer(TOKENS.admin) })).status).toBe(429)
  })

  it('signing in with wrong tokens is counted, too', async () => {
    const agent = await guarded()
    const tries = []
    for (let n = 0; n < 12; n++) {
      const body = JSON.stringify({ token: `wrong ${n}` })
      tries.push((await agent.send(`${API}/session`, { method: 'POST', headers: json, body })).status)
    }
    expect(tries.at(0)).toBe(401)
    expect(tries.at(-1)).toBe(429)
  })

  it.each(Object.entries<Route>(ROUTES).filter(([, { scope }]) => scope !== 'open'))(
    'the route %s asks for its scope',
    async (_, { method, path, scope }) => {
      const agent = await guarded()
      for (const has of SCOPES) {
        const { status } = await agent.send(API + path.replaceAll(/:\w+/g, 'none'), {
          method,
          headers: { ...json, ...bearer(TOKENS[has]) },
          ...(method !== 'GET' && { body: '{"kind":"nothing"}' }),
          signal: AbortSignal.timeout(5000),
        })
        expect({ has, isForbidden: status === 403 }).toEqual({ has, isForbidden: !allows(has, scope as 'read') })
      }
    },
  )

  it('what takes away asks for admin, and what does not for operate', async () => {
    const agent = await guarded()
    const status = async (token: string, body: object) =>
      (
        await agent.send(`${API}/operations`, {
          method: 'POST',
          headers: { ...json, ...bearer(token) },
          body: JSON.stringify(body),
        })
      ).status
    for (const body of [
      { kind: 'prune' },
      { kind: 'forget', backups: ['x'] },
      { kind: 'restore', backup: 'none', mode: 'replace' },
      { kind: 'restore', backup: 'none', as: 'x', access: 'replace' },
      { kind: 'restore', backup: 'none', as: 'x', dropReplica: true },
    ])
      expect([await status(TOKENS.operate, body), await status(TOKENS.admin, body)]).toEqual([403, 202])
    for (const body of [{ kind: 'verify' }, { kind: 'restore', backup: 'none', as: 'x' }])
      expect([await status(TOKENS.read, body), await status(TOKENS.operate, body)]).toEqual([403, 202])
  })
})

describe('tokens', () => {
  it('are in the file as hashes only, and come back to nobody', async () => {
    const agent = await guarded()
    await agent.send(`${API}/backups`, { headers: bearer(TOKENS.admin) })
    await agent.send(`${API}/operations/x/cancel`, { method: 'POST', headers: bearer(TOKENS.admin) })
    for (const token of Object.values(TOKENS)) {
      expect(FILE).not.toContain(token)
      expect(JSON.stringify(agent.log)).not.toContain(token)
    }
  })

  it('are compared every one, whichever fits, and in a time that tells nothing of how much of it fits', () => {
    let read = 0
    const entries = parseTokens(FILE).map(({ digest, ...rest }) => ({
      ...rest,
      get digest() {
        read++
        return digest
      },
    }))
    expect(findToken(entries, TOKENS.read)).toMatchObject({ name: 'a-read' })
    expect(read).toBeGreaterThanOrEqual(SCOPES.length)
    // Only the comparison of Node.js that takes the same time for all bytes insists on as many of them.
    expect(() => findToken([{ name: 'short', scope: 'read', digest: 'ab' }], TOKENS.read)).toThrow(/byte length/)
  })

  it('that are not of the form are refused with their line, which is not shown', () => {
    const refused = (text: string): unknown => {
      try {
        return parseTokens(text)
      } catch (error) {
        return error
      }
    }
    expect(refused('a read sha256:abc')).toMatchObject({ code: 'CONFIG_INVALID' })
    const error = refused(`\n${TOKENS.admin}`)
    expect(error).toMatchObject({ message: expect.stringContaining('line 2') as string })
    expect(String(error)).not.toContain(TOKENS.admin)
  })

  it('may come as the password of Basic, for tools that know nothing else', async () => {
    const agent = await guarded()
    const basic = (password: string) => ({
      authorization: `Basic ${Buffer.from(`any:${password}`).toString('base64')}`,
    })
    expect((await agent.send(`${API}/backups`, { headers: basic(TOKENS.read) })).status).toBe(200)
    expect((await agent.send(`${API}/backups`, { headers: basic('wrong') })).status).toBe(401)
  })
})

describe('a session', () => {
  const signIn = async (agent: TestAgent, token: string) => {
    const answer = await agent.send(`${API}/session`, {
      method: 'POST',
      headers: json,
      body: JSON.stringify({ token }),
    })
    return { answer, cookie: answer.headers.get('set-cookie') ?? '' }
  }

  it('is a cookie that scripts cannot read and other sites cannot use, and it ends when one signs out', async () => {
    const agent = await guarded()
    const { answer, cookie } = await signIn(agent, TOKENS.operate)
    expect(await answer.json()).toMatchObject({ authenticated: true, name: 'a-operate', scope: 'operate' })
    expect(cookie).toMatch(/; HttpOnly/)
    expect(cookie).toMatch(/; SameSite=Strict/)
    expect(cookie).not.toContain(TOKENS.operate)
    const headers = { cookie: cookie.split(';')[0] ?? '' }
    expect((await agent.send(`${API}/backups`, { headers })).status).toBe(200)
    await agent.send(`${API}/session`, { method: 'DELETE', headers })
    expect((await agent.send(`${API}/backups`, { headers })).status).toBe(401)
  })

  it('ends after twelve hours', async () => {
    let now = Date.now()
    const agent = await start({ tokens: parseTokens(FILE) }, { clock: () => new Date(now) })
    const { cookie } = await signIn(agent, TOKENS.read)
    const headers = { cookie: cookie.split(';')[0] ?? '' }
    now += 11 * 3_600_000
    expect((await agent.send(`${API}/backups`, { headers })).status).toBe(200)
    now += 2 * 3_600_000
    expect((await agent.send(`${API}/backups`, { headers })).status).toBe(401)
  })

  it('ends when its token is taken out of the file', async () => {
    let tokens = parseTokens(FILE)
    const agent = await testAgent(bench, {
      engine: 'clickhouse',
      repository,
      settings: {
        get tokens() {
          return tokens
        },
      },
    })
    agents.push(agent)
    const { cookie } = await signIn(agent, TOKENS.read)
    const headers = { cookie: cookie.split(';')[0] ?? '' }
    expect((await agent.send(`${API}/backups`, { headers })).status).toBe(200)
    tokens = tokens.filter(({ scope }) => scope !== 'read')
    agent.reload()
    expect((await agent.send(`${API}/backups`, { headers })).status).toBe(401)
  })
})

describe('other sites', () => {
  const change = (agent: TestAgent, headers: Record<string, string>) =>
    agent.send(`${API}/schedule/pause`, { method: 'POST', headers })

  it('cannot change anything: the Origin has to be our own', async () => {
    const agent = await start()
    expect((await change(agent, { origin: 'https://evil.example' })).status).toBe(403)
    expect((await change(agent, { origin: 'null' })).status).toBe(403)
    expect((await change(agent, { 'sec-fetch-site': 'cross-site' })).status).toBe(403)
    expect((await change(agent, { origin: agent.url })).status).toBe(200)
    expect((await change(agent, {})).status).toBe(200)
  })

  it('cannot send a form: a body has to be JSON', async () => {
    const agent = await start()
    const body = '{"kind":"verify"}'
    const form = await agent.send(`${API}/operations`, {
      method: 'POST',
      headers: { 'content-type': 'text/plain' },
      body,
    })
    expect(form.status).toBe(400)
  })

  it('cannot come in under a name of their own, where nobody has to sign in', async () => {
    const open = await start()
    expect(await raw(open, `${API}/backups`, { host: 'evil.example' })).toBe(403)
    expect(await raw(open, `${API}/backups`, { host: 'localhost:7171' })).toBe(200)
    const signed = await guarded()
    expect(await raw(signed, `${API}/backups`, { host: 'backup.example', ...bearer(TOKENS.read) })).toBe(200)
  })

  it('cannot bring a script, a frame or a style into the console', async () => {
    const agent = await start()
    for (const path of ['/', `${API}/health`, '/nothing']) {
      const { headers } = await agent.send(path)
      const policy = headers.get('content-security-policy') ?? ''
      expect(policy).toContain("default-src 'none'")
      expect(policy).toContain("script-src 'self'")
      expect(policy).toContain("frame-ancestors 'none'")
      expect(policy).not.toContain('unsafe')
      expect(headers.get('x-content-type-options')).toBe('nosniff')
      expect(headers.get('referrer-policy')).toBe('no-referrer')
    }
  })
})

describe('too much', () => {
  it('is refused: many requests of one address', async () => {
    const agent = await start({}, { clock: () => new Date(0) })
    const statuses = await Promise.all(
      Array.from({ length: 220 }, async () => (await agent.send(`${API}/health`)).status),
    )
    expect(statuses.filter((status) => status === 200)).toHaveLength(200)
    expect(statuses.filter((status) => status === 429)).toHaveLength(20)
  })

  it('is refused: a large body, before it is read', async () => {
    const agent = await start()
    const body = JSON.stringify({ sql: 'x'.repeat(300_000) })
    const answer = await agent.send(`${API}/query`, { method: 'POST', headers: json, body })
    expect(answer.status).toBe(400)
    expect(await answer.json()).toMatchObject({ detail: expect.stringContaining('at most') as string })
  })
})

describe('a bug', () => {
  it('tells a stranger nothing of what is inside, and the log everything', async () => {
    const broken = async (): Promise<never> => {
      throw new Error('the inner workings')
    }
    const agent = await start({}, { openRepository: broken })
    const answer = await agent.send(`${API}/backups`)
    expect(answer.status).toBe(500)
    expect(await answer.text()).not.toContain('inner workings')
    expect(JSON.stringify(agent.log)).toContain('inner workings')
  })
})

describe('a request', () => {
  it.each([
    ['backup', { config: '/etc/passwd' }],
    ['verify', { record: false }],
    ['drill', { checks: ['SELECT 1'] }],
    ['restore', { backup: 'latest', serverFiles: '/tmp' }],
    ['copy', { to: 'file:///tmp/elsewhere' }],
    ['forget', { policy: { last: 0 } }],
    ['prune', { minAge: 0 }],
  ])('names no file, no location and no setting: %s', async (kind, more) => {
    const agent = await start()
    const body = JSON.stringify({ kind, ...more })
    const answer = await agent.send(`${API}/operations`, { method: 'POST', headers: json, body })
    expect({ status: answer.status, text: await answer.text() }).toMatchObject({
      status: 400,
      text: expect.stringContaining(Object.keys(more).at(-1) ?? '') as string,
    })
  })
})

describe('a file', () => {
  it('is served only when it is one of the console’s', async () => {
    const agent = await start()
    expect(await (await agent.send('/')).text()).toContain('Permafrost')
    expect((await agent.send('/assets/a-1.js')).headers.get('cache-control')).toContain('immutable')
    for (const path of [
      '/../secret.txt',
      '/%2e%2e/secret.txt',
      '/..%2fsecret.txt',
      '/assets/..%2f..%2fsecret.txt',
      '//etc/passwd',
    ])
      expect({ path, status: await raw(agent, path, {}) }).toEqual({ path, status: 404 })
  })
})

describe('an address that others reach', () => {
  it.each([
    ['neither', {}],
    ['tokens alone', { tokens: parseTokens(FILE) }],
    ['TLS alone', { tls: { cert: '', key: '' } }],
    ['an empty file of tokens', { tokens: [], tls: { cert: '', key: '' } }],
  ])('is refused with %s', async (_, settings) => {
    for (const host of ['0.0.0.0', '::', '192.0.2.1'])
      await expect(start({ host, ...settings })).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
  })
})

describe('a configuration that is read again', () => {
  it('opens the agent to nobody: it is refused for the address that is listened to, whatever it says of that', async () => {
    const { certificate, keyFile } = makeCertificate(bench.directory)
    const tls = { cert: certificate, key: readFileSync(keyFile, 'utf8') }
    // An address of this machine alone that is no loopback address by its name.
    const host = '::ffff:127.0.0.1'
    let settings: AgentInTest['settings'] = { host, tls, tokens: parseTokens(FILE) }
    const agent = await start({}, { settings: () => ({ ...SETTINGS, ...settings }) })
    const refused = expect.objectContaining({ code: 'CONFIG_INVALID' }) as object
    for (const worse of [
      { host },
      { host: '127.0.0.1' },
      { host: '127.0.0.1', tls },
      { host, tokens: parseTokens(FILE) },
    ]) {
      settings = worse
      expect(() => agent.reload()).toThrow(refused)
    }
    const cookie = await secureSignIn(agent.url, certificate)
    expect(cookie).toMatch(/; Secure/)
    settings = {}
    const local = await start({}, { settings: () => ({ ...SETTINGS, ...settings }) })
    settings = { host: '0.0.0.0' }
    expect(() => local.reload()).toThrow(refused)
  })
})

describe('every change', () => {
  it('leaves an audit record in the log and in the repository, refused ones too; and reading leaves none', async () => {
    const agent = await guarded()
    const before = (await keysOf(repository.storage, 'audit/')).length
    await agent.ask('pause', { token: TOKENS.operate })
    await agent.send(`${API}/operations`, {
      method: 'POST',
      headers: { ...json, ...bearer(TOKENS.read) },
      body: '{"kind":"prune"}',
    })
    await agent.ask('backups', { token: TOKENS.read })
    const lines = agent.log.filter(({ level }) => level === 'audit')
    expect(lines).toMatchObject([
      { message: `POST ${API}/schedule/pause`, by: 'a-operate', outcome: 200, address: '127.0.0.1' },
      { message: expect.stringContaining(`POST ${API}/operations`) as string, by: 'a-read', outcome: 403 },
    ])
    await agent.stop()
    expect((await keysOf(repository.storage, 'audit/')).length - before).toBe(2)
    const next = await guarded()
    const { entries } = await next.ask('audit', { token: TOKENS.admin, query: { limit: '2' } })
    expect(entries.map(({ outcome: status }) => status).toSorted()).toEqual([200, 403])
    expect((await next.ask('schedule', { token: TOKENS.read })).paused).toBe(true)
  })
})
