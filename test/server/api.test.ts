import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { queryLine } from '../../src/server/contract/agent.ts'
import { logEntry, operation as operationSchema } from '../../src/server/contract/operations.ts'
import type { Operation } from '../../src/server/contract/operations.ts'
import { API, ROUTES } from '../../src/server/contract/routes.ts'
import { problem } from '../../src/server/contract/shapes.ts'
import { createMetrics } from '../../src/server/metrics.ts'
import { createMeter } from '../../src/storage/meter.ts'
import type { Repository } from '../../src/repository/repository.ts'
import { flipByte } from '../helpers/damage.ts'
import type { BackupResult } from '../../src/operations/backup.ts'
import { manyBackups } from '../helpers/many-backups.ts'
import { eventsOf, testAgent } from '../helpers/agent.ts'
import type { TestAgent } from '../helpers/agent.ts'
import { keysOf, workbench } from '../helpers/workbench.ts'
import type { TestEngine, Workbench } from '../helpers/workbench.ts'

let bench: Workbench
let engine: TestEngine
let repository: Repository
let agent: TestAgent

beforeAll(async () => {
  bench = await workbench()
  engine = await bench.engine('clickhouse')
  repository = await bench.repository('repository')
  await engine.run(
    'CREATE DATABASE shop',
    'CREATE TABLE shop.orders (id UInt64, day Date) ENGINE = MergeTree PARTITION BY toYYYYMM(day) ORDER BY id',
    "INSERT INTO shop.orders SELECT number, toDate('2026-10-01') + number % 60 FROM numbers(1000)",
  )
  const second = await bench.repository('second')
  const ports = { copyPlaces: () => [{ location: second.storage.location, open: async () => second }] }
  agent = await testAgent(bench, { engine: 'clickhouse', repository, ports })
})
afterAll(async () => {
  await agent[Symbol.asyncDispose]()
  await bench[Symbol.asyncDispose]()
})

const summaryOf = ({ result }: Operation) => (result as { readonly summary: { readonly id: string } }).summary

describe('the day of an operator, over the API', () => {
  let first: string
  let second: string

  it('begins with a plan that changes nothing', async () => {
    const plan = await agent.ask('plan', { body: { kind: 'backup' } })
    expect(plan).toMatchObject({ kind: 'backup', plan: { tables: [{ database: 'shop', name: 'orders' }] } })
    expect((await agent.ask('backups')).backups).toEqual([])
  })

  it('makes a backup that is listed, shown and counted', async () => {
    const operation = await agent.run({ kind: 'backup', tags: ['daily'] })
    expect(operation).toMatchObject({ state: 'ok', kind: 'backup', by: 'local', request: { tags: ['daily'] } })
    first = summaryOf(operation).id
    expect((await agent.ask('backups', { query: { tag: 'daily' } })).backups).toMatchObject([{ id: first }])
    expect((await agent.ask('backups', { query: { tag: 'other' } })).backups).toEqual([])
    const shown = await agent.ask('backup', {
      params: { backup: 'latest' },
      query: { detail: 'parts', schema: 'true', table: 'shop.orders' },
    })
    expect(shown.tables[0]).toMatchObject({ name: 'orders', rows: 1000, schema: { sortingKey: 'id' } })
    expect(shown.tables[0]?.partitions?.[0]?.partitionParts).not.toEqual([])
    expect(await agent.ask('status')).toMatchObject({ backups: 1, proven: 0, lastGood: { id: first }, overdue: false })
    expect((await agent.ask('status')).days.at(-1)).toMatchObject({ state: 'ok', backups: [first] })
  })

  it('shows what changed from one backup to the next, and since', async () => {
    expect(await agent.ask('diff', { params: { backup: first } })).toMatchObject({ before: 'nothing' })
    await engine.run("INSERT INTO shop.orders SELECT number, '2026-12-01' FROM numbers(10)")
    const live = await agent.ask('diff', { params: { backup: first }, query: { against: 'live' } })
    expect(live).toMatchObject({ after: 'live', tables: [{ change: 'changed', rows: 10 }] })
    second = summaryOf(await agent.run({ kind: 'backup' })).id
    const diff = await agent.ask('diff', { params: { backup: second } })
    expect(diff).toMatchObject({ before: first, after: second, tables: [{ change: 'changed', rows: 10 }] })
  })

  it('verifies, and shows what is proven', async () => {
    expect(await agent.run({ kind: 'verify' })).toMatchObject({ state: 'ok', result: { backups: [second] } })
    const { backups } = await agent.ask('backups')
    expect(backups).toMatchObject([{ id: first }, { id: second, proven: { level: 3 } }])
    expect(await agent.ask('status')).toMatchObject({ proven: 1, oldestUnproven: { id: first } })
  })

  it('drills, and shows that it passed and how long it took', async () => {
    const passed = async () =>
      /^permafrost_last_drill_passed (\d)$/m.exec(await (await agent.send('/metrics')).text())?.[1]
    // A number that nobody knows is absent.
    expect(await passed()).toBeUndefined()
    const operation = await agent.run({ kind: 'drill', tables: ['shop.*'] })
    expect(operation).toMatchObject({
      state: 'ok',
      result: { passed: true, tables: [{ table: 'shop.orders', rows: 1010 }] },
    })
    expect(await agent.ask('status')).toMatchObject({ lastDrill: { backup: second, result: 'ok' } })
    const shown = await agent.ask('backup', { params: { backup: second } })
    expect(shown).toMatchObject({ drill: { level: 4, drill: { tables: [{ table: 'shop.orders', problems: [] }] } } })
    expect(await passed()).toBe('1')
  })

  it('copies what another repository lacks, once, and tells up to when it has everything', async () => {
    const request = { kind: 'copy', all: true }
    const planned = await agent.ask('plan', { body: request })
    expect(planned).toMatchObject({ kind: 'copy', plan: [{ mode: 'parts', backups: [first, second], there: [] }] })
    expect(await agent.run(request)).toMatchObject({
      state: 'ok',
      result: { copies: [{ result: { copied: [first, second] } }] },
    })
    expect(await agent.run(request)).toMatchObject({ result: { copies: [{ plan: { there: [first, second] } }] } })
    const metrics = await (await agent.send('/metrics')).text()
    expect(metrics).toMatch(/^permafrost_copied_backups\{store="file:\S+second"\} 2$/m)
    expect(metrics).toMatch(/^permafrost_copied_newest_timestamp_seconds\{store="file:\S+second"\} 1\.?\d+/m)
    expect(metrics).toMatch(/^permafrost_last_success_timestamp_seconds\{operation="copy"\} /m)
    expect(metrics).toMatch(/^permafrost_storage_bytes_total\{store="file:\S+second",direction="out"\} /m)
  })

  it('restores beside after a plan, and replaces only what is confirmed by its name', async () => {
    const beside = { kind: 'restore', backup: first, as: 'shop_restored' }
    const plan = await agent.ask('plan', { body: beside })
    expect(plan).toMatchObject({ kind: 'restore', plan: { steps: [{ action: 'create', rows: 1000 }] } })
    expect(plan).not.toHaveProperty('confirm')
    expect(await agent.run(beside)).toMatchObject({ state: 'ok' })
    expect(await engine.value('SELECT count() FROM shop_restored.orders')).toBe('1000')

    const replace = { kind: 'restore', backup: first, tables: ['shop.orders'], mode: 'replace' }
    expect(await agent.ask('plan', { body: replace })).toMatchObject({ confirm: 'shop.orders' })
    expect(await agent.run(replace)).toMatchObject({ state: 'failed', error: { code: 'USAGE' } })
    expect(await engine.value('SELECT count() FROM shop.orders')).toBe('1010')
    expect(await agent.run({ ...replace, confirm: 'shop.orders' })).toMatchObject({ state: 'ok' })
    expect(await engine.value('SELECT count() FROM shop.orders')).toBe('1000')
  })

  it('says what stands in the way of a restore, and what to do', async () => {
    const conflict = await agent.run({ kind: 'restore', backup: first, tables: ['shop.orders'] })
    expect(conflict).toMatchObject({ state: 'failed', error: { code: 'CONFLICT', status: 409 } })
    expect(conflict.error?.hint?.join()).toContain('--as')
  })

  it('forgets with a reason, takes it back, and prunes', async () => {
    const plan = await agent.ask('plan', { body: { kind: 'forget' } })
    expect(plan).toMatchObject({ kind: 'forget', plan: { forget: [first] } })
    await agent.run({ kind: 'hold', backup: first, until: '2126-01-01T00:00:00Z' })
    expect(await agent.ask('plan', { body: { kind: 'forget' } })).toMatchObject({ plan: { forget: [] } })
    expect(await agent.run({ kind: 'forget', backups: [second] })).toMatchObject({ state: 'ok' })
    expect((await agent.ask('backups', { query: { which: 'forgotten' } })).backups).toMatchObject([{ id: second }])
    expect(await agent.run({ kind: 'forget', backups: [second], undo: true })).toMatchObject({ state: 'ok' })
    expect((await agent.ask('backups')).backups).toHaveLength(2)
    expect(await agent.ask('plan', { body: { kind: 'prune' } })).toMatchObject({ kind: 'prune', plan: { backups: [] } })
    expect(await agent.run({ kind: 'prune' })).toMatchObject({ state: 'ok' })
  })

  it('tells of the repository, of the doctor and of the past', async () => {
    expect(await agent.ask('repository')).toMatchObject({ backups: 2, suite: 'aes-256-gcm' })
    const { checks } = await agent.ask('doctor')
    expect(checks.filter(({ status }) => status === 'failed')).toEqual([])
    const { operations } = await agent.ask('operations', { query: { kind: 'backup' } })
    expect(operations.map(({ kind, state }) => `${kind} ${state}`)).toEqual(['backup ok', 'backup ok'])
    expect((await agent.ask('operations', { query: { limit: '1' } })).operations).toHaveLength(1)
  })
})

describe('a query', () => {
  const ask = async (body: object) => {
    const response = await agent.send(`${API}/query`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
    const lines = (await response.text()).trim().split('\n')
    return lines.map((line) => queryLine.parse(JSON.parse(line)))
  }

  it('is answered out of the backup, in lines that come as they are found', async () => {
    const lines = await ask({
      sql: 'SELECT id, day, 18446744073709551615 AS big FROM shop.orders ORDER BY day, id LIMIT 3',
    })
    expect(lines).toMatchObject([
      { type: 'columns', columns: [{ name: 'id', type: 'UInt64' }, { name: 'day' }, { name: 'big' }] },
      { type: 'rows', rows: [0, 60, 120].map((id) => [id, '2026-10-01', '18446744073709551615']) },
      { type: 'end', rows: 3, truncated: false },
    ])
    expect((await ask({ sql: 'SELECT id FROM shop.orders', maxRows: 7 })).at(-1)).toMatchObject({
      rows: 7,
      truncated: true,
    })
  })

  it('can change and reach nothing, and ends with the error of ClickHouse', async () => {
    for (const sql of ['DROP TABLE shop.orders', "SELECT * FROM file('/etc/passwd', LineAsString)", 'SELECT nothing'])
      expect((await ask({ sql })).at(-1)).toMatchObject({
        type: 'error',
        error: { code: expect.stringMatching(/^(ENGINE_REFUSED|UNAUTHORIZED)$/) as string },
      })
  })
})

describe('an operation', () => {
  it('is followed live, and from where a connection broke', async () => {
    const { operation } = await agent.ask('start', { body: { kind: 'verify', all: true } })
    const path = `${API}/operations/${operation.id}/events`
    const all = []
    for await (const event of eventsOf(await agent.send(path))) all.push(event)
    expect(all.map(({ event }) => event)).toContain('phase')
    expect(operationSchema.parse(JSON.parse(all.at(-1)?.data ?? '').operation)).toMatchObject({ state: 'ok' })
    for (const { data, id, event } of all)
      expect(logEntry.parse(JSON.parse(data))).toMatchObject({ seq: id, type: event })

    const from = all.at(-3)?.id ?? 0
    const rest = []
    const again = await agent.send(path, { headers: { 'last-event-id': String(from) } })
    for await (const event of eventsOf(again)) rest.push(event)
    expect(rest.map(({ id }) => id)).toEqual(all.slice(-2).map(({ id }) => id))
    const nothing = await agent.send(path, { headers: { 'last-event-id': String(all.at(-1)?.id) } })
    expect(nothing.status).toBe(204)
  })

  it('is cancelled while it waits, and not after its end', async () => {
    const [a, b] = [
      await agent.ask('start', { body: { kind: 'verify', all: true } }),
      await agent.ask('start', { body: { kind: 'verify' } }),
    ]
    expect(b.operation.state).toBe('queued')
    await agent.ask('cancel', { params: { operation: b.operation.id } })
    const ended = await agent.ask('operation', { params: { operation: b.operation.id } })
    expect(ended.operation.state).toBe('cancelled')
    await expect(agent.ask('cancel', { params: { operation: b.operation.id } })).rejects.toMatchObject({
      problem: { code: 'CONFLICT', status: 409 },
    })
    for await (const event of eventsOf(await agent.send(`${API}/operations/${a.operation.id}/events`))) void event
  })

  it('is written down before it is answered for: who was told of it finds it again, whatever becomes of the agent', async () => {
    const [reached, written] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    const own = await bench.repository('slow')
    const { storage } = own
    const slow: Repository = {
      ...own,
      storage: {
        ...storage,
        put: async (key, ...rest) => {
          if (/^operations\/.*\/begin$/.test(key)) {
            reached.resolve()
            await written.promise
          }
          return storage.put(key, ...rest)
        },
      },
    }
    await using other = await testAgent(bench, { engine: 'clickhouse', repository: slow })
    const answered = other.ask('start', { body: { kind: 'verify' } })
    await reached.promise
    expect(await Promise.race([answered, other.ask('health')])).toMatchObject({ status: 'ok' })
    written.resolve()
    const { id } = (await answered).operation
    for await (const event of eventsOf(await other.send(`${API}/operations/${id}/events`))) void event
  })

  it('that finds damage ends as damaged, with every finding in its log', async () => {
    const hurt = await bench.repository('hurt')
    await using other = await testAgent(bench, { engine: 'clickhouse', repository: hurt })
    await other.run({ kind: 'backup', tables: ['shop.orders'] })
    const [pack = ''] = await keysOf(hurt.storage, 'packs/')
    flipByte(join(bench.directory, 'hurt', pack))
    const operation = await other.run({ kind: 'verify' })
    expect(operation.state).toBe('damaged')
    const { log } = await other.ask('operation', { params: { operation: operation.id } })
    expect(log.filter((entry) => entry.type === 'finding' && entry.severity === 'damage')).toHaveLength(
      operation.findings,
    )
    expect(await other.ask('status')).toMatchObject({ damaged: 1 })
  })

  it('is remembered by the repository: another agent knows it, with its log', async () => {
    const { operations: before } = await agent.ask('operations')
    await using other = await testAgent(bench, { engine: 'clickhouse', repository })
    const { operations } = await other.ask('operations')
    expect(operations.map(({ id, state }) => `${id} ${state}`)).toEqual(before.map(({ id, state }) => `${id} ${state}`))
    const id = operations.find(({ kind, state }) => kind === 'verify' && state === 'ok')?.id ?? ''
    const { log } = await other.ask('operation', { params: { operation: id } })
    expect(log.map(({ type }) => type)).toEqual(expect.arrayContaining(['phase', 'operation']))
  })
})

describe('a list of a thousand backups', () => {
  it('is one answer, out of one small record each, which is read once: no manifest, and no second time', async () => {
    const many = await bench.repository('many')
    const read: string[] = []
    const { storage } = many
    const counting: Repository = {
      ...many,
      storage: { ...storage, get: (key, options) => (read.push(key), storage.get(key, options)) },
    }
    await using other = await testAgent(bench, { engine: 'clickhouse', repository: counting })
    const { summary } = (await other.run({ kind: 'backup', tables: ['shop.orders'] })).result as BackupResult
    await manyBackups(many, { like: summary, count: 999, random: randomBytes })
    read.length = 0
    const { backups } = await other.ask('backups')
    expect(backups).toHaveLength(1000)
    expect(new Set(read).size).toBe(read.length)
    expect(read.filter((key) => !key.startsWith('backups/'))).toEqual([])
    read.length = 0
    expect((await other.ask('backups')).backups).toHaveLength(1000)
    expect(read).toEqual([])
  })
})

describe('what is asked wrongly', () => {
  it.each([
    ['an unknown kind', 'start', { kind: 'destroy' }],
    ['a field too many', 'start', { kind: 'backup', config: '/etc/passwd' }],
    ['a location', 'start', { kind: 'backup', repository: 'file:///tmp/x' }],
    ['no confirmation of the right type', 'plan', { kind: 'prune', confirm: 1 }],
  ] as const)('is refused as USAGE: %s', async (_, route, body) => {
    await expect(agent.ask(route, { body })).rejects.toMatchObject({ problem: { code: 'USAGE', status: 400 } })
  })

  it('is a problem document of the one table of errors', async () => {
    const response = await agent.send(`${API}/backups/nothing-of-this-name`)
    expect(response.status).toBe(404)
    expect(response.headers.get('content-type')).toBe('application/problem+json')
    expect(problem.parse(await response.json())).toMatchObject({ code: 'NOT_FOUND', hint: ['permafrost list'] })
    expect((await agent.send('/api/v1/nothing')).status).toBe(404)
  })
})

describe('the OpenAPI document', () => {
  it('has every route, with its schemas, and is served to anyone', async () => {
    const document = (await (await agent.send(`${API}/openapi.json`)).json()) as {
      readonly paths: Record<string, Record<string, { readonly operationId: string; readonly requestBody?: unknown }>>
    }
    const described = Object.values(document.paths).flatMap((methods) => Object.values(methods))
    expect(described.map(({ operationId }) => operationId).toSorted()).toEqual(Object.keys(ROUTES).toSorted())
    for (const [name, route] of Object.entries(ROUTES)) {
      const path = `${API}${route.path.replaceAll(/:(\w+)/g, '{$1}')}`
      const operation = document.paths[path]?.[route.method.toLowerCase()]
      expect(operation?.operationId).toBe(name)
      expect(operation?.requestBody !== undefined).toBe('body' in route)
    }
    expect(JSON.stringify(document)).toContain('"const":"restore"')
  })
})

describe('the metrics', () => {
  it('tell what a monitor has to know', async () => {
    const text = await (await agent.send('/metrics')).text()
    const value = (name: string) =>
      Number(new RegExp(`^${name.replaceAll(/[{}".]/g, '\\$&')} (.*)$`, 'm').exec(text)?.[1])
    const store = repository.storage.location
    expect(value('permafrost_backups')).toBe(2)
    expect(value('permafrost_backups_proven')).toBe(2)
    expect(value('permafrost_backup_age_seconds')).toBeGreaterThan(0)
    expect(value('permafrost_operations_total{operation="backup",state="ok"}')).toBe(2)
    expect(value('permafrost_last_success_timestamp_seconds{operation="restore"}')).toBeGreaterThan(1.7e9)
    expect(value('permafrost_last_failure_timestamp_seconds{operation="restore"}')).toBeGreaterThan(1.7e9)
    expect(value(`permafrost_storage_requests_total{store="${store}",method="put",outcome="ok"}`)).toBeGreaterThan(5)
    expect(value(`permafrost_storage_bytes_total{store="${store}",direction="out"}`)).toBeGreaterThan(1000)
    expect(value('permafrost_memory_bytes{kind="resident"}')).toBeGreaterThan(1e6)
    expect(value('permafrost_last_drill_passed')).toBe(1)
  })

  it('tell how often a store was asked again, and how often it had asked for patience', async () => {
    const meter = createMeter(() => new Date())
    const metrics = createMetrics('test', () => meter.usage())
    meter.retried('put', 'busy')
    meter.retried('put', 'broken')
    for (const text of [await metrics.text(), await metrics.text()]) {
      expect(text).toContain('permafrost_storage_retries_total{method="put"} 2\n')
      expect(text).toContain('permafrost_storage_throttles_total{method="put"} 1\n')
    }
  })
})
