import { spawn } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { runCli, startCli } from '../helpers/cli.ts'
import { childrenOf, engineIn, eventually } from '../helpers/scratch-engine.ts'
import { workbench } from '../helpers/workbench.ts'
import type { Workbench } from '../helpers/workbench.ts'

let bench: Workbench

beforeAll(async () => {
  bench = await workbench()
  const engine = await bench.engine('source')
  const ctx = bench.context(engine, await bench.repository('repository', { suite: 'none' }))
  await engine.run(
    'CREATE DATABASE shop',
    'CREATE TABLE shop.orders (id UInt64, note String) ENGINE = MergeTree ORDER BY id',
    'INSERT INTO shop.orders SELECT number, randomString(200) FROM numbers(20000)',
    'CREATE TABLE shop.people (id UInt64) ENGINE = MergeTree ORDER BY id',
    'INSERT INTO shop.people SELECT number FROM numbers(5)',
    'CREATE VIEW shop.named AS SELECT id FROM shop.people',
  )
  await ctx.backup()
  await engine.run('INSERT INTO shop.people SELECT number + 5 FROM numbers(2)')
  await ctx.backup()
})
afterAll(() => bench[Symbol.asyncDispose]())

const place = (name = 'scratch') => join(bench.directory, name)
const url = () => `file://${join(bench.directory, 'repository')}`
const args = (...more: readonly string[]) => ['--repo', url(), 'query', ...more]
const query = (...more: readonly string[]) => runCli(args('latest', '--scratch', place(), ...more))

/** Runs for hours, if it is let. */
const ENDLESS = 'SELECT count() FROM numbers(1000000000000000) WHERE NOT ignore(sipHash64(number), rand())'

describe('query', () => {
  it('answers on standard output in the format that is asked for, and says beside it what it fetched', async () => {
    const count = 'SELECT count() AS n FROM shop.people'
    expect(await query(count)).toMatchObject({
      code: 0,
      stdout: '7\n',
      stderr: expect.stringMatching(/^fetched [\d.]+ \w+ of [\d.]+ \w+ that its tables take in the repository \(/m),
    })
    expect((await query(count, '-o', 'JSONEachRow')).stdout).toBe('{"n":7}\n')
    expect((await query(`${count} FORMAT CSVWithNames`)).stdout).toBe('"n"\n7\n')
    expect(JSON.parse((await query(count, '--json')).stdout)).toMatchObject({ data: [{ n: 7 }] })
  })

  it('asks several backups under names of their own', async () => {
    const [first, second] = JSON.parse((await runCli(['--repo', url(), 'list', '--json'])).stdout) as readonly {
      readonly id: string
    }[]
    const statement = 'SELECT (SELECT count() FROM shop_then.people), (SELECT count() FROM shop_now.people)'
    const names = ['--at', `${first?.id}=then`, '--and', `${second?.id}=now`]
    expect(await runCli(args(...names, '--scratch', place(), statement))).toMatchObject({ code: 0, stdout: '5\t7\n' })
    const day = ['--at', '2100-01-01', '--scratch', place(), 'SELECT count() FROM shop.people']
    expect(await runCli(args(...day))).toMatchObject({ code: 0, stdout: '7\n' })
    const early = args('--at', '2000-01-01', 'SELECT 1')
    expect(await runCli(early)).toMatchObject({ code: 5, stderr: expect.stringContaining('no backup is as old as') })
  })

  it('is refused above a limit of rows, bytes, memory or time, and says which', async () => {
    const notes = 'SELECT note FROM shop.orders'
    const refused: readonly (readonly [readonly string[], number, RegExp])[] = [
      [[notes, '--max-rows', '10'], 16, /max rows: 10/],
      [[notes, '--max-fetch', '1MiB'], 16, /needs more than 1 MiB of the repository/],
      [['SELECT groupArray(note) FROM shop.orders', '--memory', '5MiB'], 16, /maximum: 5\.00 MiB/],
      [[ENDLESS, '--timeout', '2s'], 130, /did not end within --timeout/],
      [['SELECT 1', '--max-rows', 'many'], 2, /--max-rows many is not a count/],
      [['SELECT 1', '--memory', 'much'], 2, /--memory much is not a size/],
    ]
    for (const [more, code, said] of refused)
      expect({ more, ...(await query(...more)) }).toMatchObject({ code, stderr: expect.stringMatching(said) })
  })

  it('lists what can be asked, and says so when another table is asked', async () => {
    expect((await query('SHOW TABLES FROM shop')).stdout).toBe('orders\npeople\n')
    expect((await query("SELECT sum(rows) FROM system.parts WHERE database = 'shop'")).stdout).toBe('20007\n')
    expect((await query("SELECT count() FROM merge('shop', '.*')")).stdout).toBe('20007\n')
    expect(await query('SELECT * FROM shop.named')).toMatchObject({
      code: 16,
      stderr: expect.stringMatching(/shop\.named.*\n {2}name a table with parts by its database, as in shop\.orders/),
    })
    expect(await query('DROP TABLE shop.people')).toMatchObject({
      code: 16,
      stderr: expect.stringContaining('a backup can be read, and nothing else'),
    })
  })

  it('without SQL reads statements from standard input, until one fails', async () => {
    const input = 'SELECT 1;\nSELECT count()\n  FROM shop.people;\nSELECT * FROM shop.nothing;\nSELECT 2;\n'
    expect(await runCli(args('latest', '--scratch', place()), { input })).toMatchObject({ code: 16, stdout: '1\n7\n' })
  })

  it('on a terminal asks for statements, goes on after a wrong one, and ends with exit', async () => {
    const [node, main] = [process.execPath, join(import.meta.dirname, '../../dist/cli/main.js')]
    const command = [node, main, ...args('latest', '--scratch', place())].join(' ')
    // The terminal is a real one.
    const child = spawn('script', ['-qec', command, '/dev/null'], { stdio: ['pipe', 'pipe', 'inherit'] })
    let shown = ''
    child.stdout.on('data', (chunk: Buffer) => (shown += chunk.toString()))
    const ended = new Promise<number | null>((done) => child.once('close', done))
    const type = async (line: string, answer: RegExp): Promise<void> => {
      child.stdin.write(`${line}\r`)
      expect(await eventually(() => answer.test(shown))).toBe(true)
    }
    await eventually(() => shown.includes('sql> '))
    await type('SELEC 1;', /Syntax error/)
    await type('DROP TABLE shop.people;', /a backup can be read, and nothing else/)
    await type('SELECT count() AS persons', /\.\.\.> /)
    await type('FROM shop.people;', /persons[\s\S]*│ *7 │[\s\S]*fetched [\s\S]*sql> /)
    await type('exit', /exit/)
    expect(await ended).toBe(0)
    expect(readdirSync(place())).toEqual([])
  })

  it('--serve shows the tables to another ClickHouse until it is stopped', async () => {
    const other = await bench.engine('other')
    const { child, result } = startCli(args('latest', '--serve', '--json', '-t', 'shop.people', '--scratch', place()))
    let said = ''
    child.stdout?.on('data', (chunk: Buffer) => (said += chunk.toString()))
    child.stderr?.on('data', (chunk: Buffer) => (said += chunk.toString()))
    await eventually(() => said.includes('serving'))
    const { statements } = JSON.parse(said.slice(said.indexOf('{'), said.lastIndexOf('}') + 1)) as {
      readonly statements: readonly string[]
    }
    await other.run(...statements)
    expect(await other.value('SELECT count() FROM shop.people')).toBe('7')
    await other.run('DROP DATABASE shop SYNC')
    const [, endpoint = ''] = /endpoint = '([^']*)'/.exec(statements.join()) ?? []
    expect((await fetch(endpoint)).status).toBe(403)
    child.kill('SIGINT')
    expect((await result).code).toBe(0)
    await expect(fetch(endpoint)).rejects.toThrow('fetch failed')
  })

  it('leaves no process and no directory when it is killed', async () => {
    const { child, result } = startCli(args('latest', '--scratch', place('killed'), ENDLESS))
    const engine = await eventually(() => engineIn(place('killed')))
    expect(engine).toBeGreaterThan(0)
    const started = childrenOf(child.pid ?? 0)
    expect(started).toContain(engine)
    child.kill('SIGKILL')
    expect((await result).signal).toBe('SIGKILL')
    expect(await eventually(() => started.every((pid) => !existsSync(`/proc/${pid}`)))).toBe(true)
    expect(readdirSync(place('killed'))).toEqual([])
  })

  it('cleans up after one that was killed together with all that it started', async () => {
    const all = place('all killed')
    const { child, result } = startCli(args('latest', '--scratch', all, ENDLESS))
    await eventually(() => engineIn(all))
    for (const pid of [...childrenOf(child.pid ?? 0), child.pid ?? 0]) process.kill(pid, 'SIGKILL')
    await result
    expect(readdirSync(all)).toHaveLength(1)
    expect((await runCli(args('latest', '--scratch', all, 'SELECT 1'))).stdout).toBe('1\n')
    expect(readdirSync(all)).toEqual([])
  })
})
