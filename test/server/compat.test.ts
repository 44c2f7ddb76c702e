import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parseCommand } from '../../src/server/compat/command.ts'
import { makeToken, parseTokens, tokenLine } from '../../src/server/tokens.ts'
import { testAgent } from '../helpers/agent.ts'
import type { TestAgent } from '../helpers/agent.ts'
import { workbench } from '../helpers/workbench.ts'
import type { TestEngine, Workbench } from '../helpers/workbench.ts'

let bench: Workbench
let engine: TestEngine
let agent: TestAgent

beforeAll(async () => {
  bench = await workbench()
  engine = await bench.engine('clickhouse')
  await engine.run(
    'CREATE DATABASE shop',
    'CREATE TABLE shop.orders (id UInt64) ENGINE = MergeTree ORDER BY id',
    'INSERT INTO shop.orders SELECT number FROM numbers(100)',
  )
  const repository = await bench.repository('repository')
  agent = await testAgent(bench, { engine: 'clickhouse', repository, settings: { compat: true } })
})
afterAll(async () => {
  await agent[Symbol.asyncDispose]()
  await bench[Symbol.asyncDispose]()
})

type Row = Readonly<Record<string, unknown>>

/** JSONEachRow, as ClickHouse's URL engine and the scripts of users read it. */
async function rows(path: string, init: RequestInit = {}): Promise<readonly Row[]> {
  const text = await (await agent.send(path, init)).text()
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Row)
}

/** What a CronJob does: start, and ask for the status until it is over. */
async function wait(command: string): Promise<Row | undefined> {
  for (;;) {
    const found = (await rows('/backup/actions')).findLast((row) => row['command'] === command)
    if (found?.['status'] !== 'in progress') return found
    await new Promise((done) => setTimeout(done, 50))
  }
}

describe('what calls clickhouse-backup', () => {
  it('creates, uploads and lists by its own names', async () => {
    const answer = await agent.send('/backup/create?name=nightly&table=shop.*', { method: 'POST' })
    expect(answer.status).toBe(201)
    expect(await answer.json()).toMatchObject({ status: 'acknowledged', operation: 'create', backup_name: 'nightly' })
    expect(await wait('create --name=nightly --table=shop.* nightly')).toMatchObject({ status: 'success', error: '' })
    expect(await rows('/backup/upload/nightly', { method: 'POST' })).toMatchObject([{ status: 'acknowledged' }])
    expect(await rows('/backup/list/remote')).toMatchObject([{ name: 'nightly', location: 'remote', desc: 'regular' }])
    expect(await rows('/backup/list/local')).toEqual([])
    expect((await rows('/backup/list'))[0]?.['created']).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/)
    expect(await rows('/backup/tables')).toMatchObject([{ database: 'shop', name: 'orders', skip: false }])
  })

  it('speaks its command language, restores with --rm, and is refused other configuration', async () => {
    await engine.run('TRUNCATE TABLE shop.orders')
    const command = 'restore_remote --rm -t shop.orders nightly'
    const body = JSON.stringify({ command })
    expect(await rows('/backup/actions', { method: 'POST', body })).toMatchObject([{ status: 'acknowledged' }])
    expect(await wait(command)).toMatchObject({ status: 'success' })
    expect(await engine.value('SELECT count() FROM shop.orders')).toBe('100')
    expect(() => parseCommand('create --env X=y nightly')).toThrow('changes no configuration')
    expect((await agent.send('/backup/actions', { method: 'POST', body: '{"command":"watch"}' })).status).toBe(400)
  })

  it('restores into another database', async () => {
    await agent.send('/backup/restore/nightly?restore_database_mapping=shop:shop_copy', { method: 'POST' })
    await wait('restore --restore-database-mapping=shop:shop_copy nightly')
    expect(await engine.value('SELECT count() FROM shop_copy.orders')).toBe('100')
  })

  it('is told of errors in its own form, and of deletes when they are done', async () => {
    const missing = await agent.send('/backup/restore/nothing', { method: 'POST' })
    expect([missing.status, await missing.json()]).toMatchObject([404, { status: 'error', operation: 'restore' }])
    const last = await agent.send('/backup/delete/remote/nightly', { method: 'POST' })
    const error = expect.stringContaining('would be left') as string
    expect([last.status, await last.json()]).toMatchObject([500, { status: 'error', error }])
    await agent.run({ kind: 'backup', tags: ['second'] })
    expect(await rows('/backup/delete/remote/nightly', { method: 'POST' })).toMatchObject([{ status: 'success' }])
    expect((await rows('/backup/list')).map(({ name }) => name)).toEqual(['second'])
  })

  it('finds its metrics', async () => {
    const text = await (await agent.send('/metrics')).text()
    expect(text).toMatch(/^clickhouse_backup_successful_create_remotes 2$/m)
    expect(text).toMatch(/^clickhouse_backup_last_restore_status 1$/m)
    expect(text).toMatch(/^clickhouse_backup_number_backups_remote 1$/m)
    expect(await (await agent.send('/health')).json()).toEqual({ status: 'OK' })
  })

  it('asks for a token with the scope of the command, and leaves an audit record of each, refused ones too', async () => {
    const tokens = { read: makeToken(randomBytes(32)), operate: makeToken(randomBytes(32)) }
    const file = [tokenLine('looks', 'read', tokens.read), tokenLine('works', 'operate', tokens.operate)].join('\n')
    const own = await bench.repository('guarded')
    const settings = { compat: true, tokens: parseTokens(file) }
    await using guarded = await testAgent(bench, { engine: 'clickhouse', repository: own, settings })
    const ask = async (path: string, token?: string) => {
      const headers = token === undefined ? {} : { authorization: `Bearer ${token}` }
      return (await guarded.send(path, { method: 'POST', headers })).status
    }
    expect(await ask('/backup/clean')).toBe(401)
    expect(await ask('/backup/clean', tokens.read)).toBe(403)
    expect(await ask('/backup/clean', tokens.operate)).toBe(200)
    expect(await ask('/backup/restore/none?rm=true', tokens.operate)).toBe(403)
    expect(await ask('/backup/delete/remote/none', tokens.operate)).toBe(403)
    const audited = guarded.log.filter(({ level }) => level === 'audit')
    expect(audited.map((line) => `${String(line['by'])} ${String(line['outcome'])}`)).toEqual([
      'nobody 401',
      'looks 403',
      'works 202',
      'works 403',
      'works 403',
    ])
  })

  it('cannot change anything by GET', async () => {
    for (const path of ['/backup/kill', '/backup/clean', '/backup/create'])
      expect((await agent.send(path)).status).toBe(404)
  })
})
