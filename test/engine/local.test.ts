import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { cp } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { parseSelector } from '../../src/core/selector.ts'
import { readLocalSnapshots, removeLocalSnapshot } from '../../src/engine/local-snapshots.ts'
import type { LocalSnapshot } from '../../src/engine/local-snapshots.ts'
import { exportLocal } from '../../src/operations/export-local.ts'
import { keepLocal } from '../../src/operations/keep-local.ts'
import { listLocal } from '../../src/operations/list-local.ts'
import { localSource } from '../../src/operations/local-source.ts'
import { prepareRestoreFrom } from '../../src/operations/restore.ts'
import type { RestoreResult } from '../../src/operations/restore.ts'
import { storeLocal } from '../../src/operations/store-local.ts'
import { plug } from '../helpers/plug.ts'
import { fingerprint, partList, workbench } from '../helpers/workbench.ts'
import type { RestoreInTest, TestContext, TestEngine, Workbench } from '../helpers/workbench.ts'

let bench: Workbench
let engine: TestEngine
let ctx: TestContext

const ORDERS = { database: 'shop', name: 'orders' }
const was = ({ name }: { readonly name: string }) => ({ database: 'was', name })

beforeAll(async () => {
  bench = await workbench()
  engine = await bench.engine('engine')
  ctx = bench.context(engine, await bench.repository('repository'))
})
afterAll(() => bench[Symbol.asyncDispose]())

beforeEach(async () => {
  const info = await engine.describe()
  for (const snapshot of readLocalSnapshots({ info, disk: ctx.disk }))
    await removeLocalSnapshot(snapshot, { info, disk: ctx.disk })
  await engine.run(
    'DROP DATABASE IF EXISTS shop SYNC',
    'DROP DATABASE IF EXISTS was SYNC',
    'CREATE DATABASE shop',
    'CREATE TABLE shop.orders (p UInt8, k UInt64, v String) ENGINE = MergeTree PARTITION BY p ORDER BY k SETTINGS min_bytes_for_wide_part = 0',
    'INSERT INTO shop.orders SELECT number % 3, number, toString(number) FROM numbers(3000)',
    'CREATE TABLE shop.`o\\`d "d` (k UInt64) ENGINE = MergeTree ORDER BY k',
    'INSERT INTO shop.`o\\`d "d` SELECT number FROM numbers(10)',
  )
})

const keep = (tables: readonly string[] = ['shop.*']): Promise<LocalSnapshot> =>
  keepLocal(ctx, { selector: parseSelector(tables), tags: [] })

async function restore(from: LocalSnapshot, { tables = [], ...wish }: RestoreInTest = {}): Promise<RestoreResult> {
  const source = localSource(ctx, from, await engine.describe())
  const choice = { selector: parseSelector(tables), partitions: [], wish: { mode: 'all' as const, ...wish } }
  return (await prepareRestoreFrom(source, ctx, choice)).run()
}

const filesBelow = (directory: string): readonly string[] =>
  readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))

describe('a local snapshot', () => {
  it('is hard links to the parts, and leaves nothing in the shadow', async () => {
    const { directory } = await keep()
    const kept = filesBelow(join(engine.path, 'permafrost_local', directory))
    const columns = kept.filter((path) => path.endsWith('.bin'))
    expect(columns.length).toBeGreaterThan(9)
    for (const path of columns) expect(statSync(path).nlink).toBeGreaterThan(1)
    expect(readdirSync(join(engine.path, 'shadow')).filter((name) => name.startsWith('permafrost'))).toEqual([])
  })

  it('leaves the shadows of others alone', async () => {
    await engine.run("ALTER TABLE shop.orders FREEZE WITH NAME 'theirs'")
    const theirs = filesBelow(join(engine.path, 'shadow', 'theirs'))
    await keep()
    expect(filesBelow(join(engine.path, 'shadow', 'theirs'))).toEqual(theirs)
    await engine.run("SYSTEM UNFREEZE WITH NAME 'theirs'")
  })

  it('pins nothing until the server has the parts no more, and then their bytes', async () => {
    const { id } = await keep()
    const bytes = Number(
      await engine.value("SELECT sum(bytes_on_disk) FROM system.parts WHERE table = 'orders' AND active"),
    )
    expect(await listLocal(ctx)).toMatchObject([{ id, status: 'complete', tables: 2, parts: 4, rows: 3010, pinned: 0 }])
    await engine.run('DROP TABLE shop.orders SYNC')
    expect(await listLocal(ctx)).toMatchObject([{ id, pinned: bytes }])
  })

  it('comes back by hard links: names and hashes of parts as they were, and no byte moved', async () => {
    const [print, parts] = [await fingerprint(engine, ORDERS), await partList(engine, ORDERS)]
    const snapshot = await keep()
    await engine.run('DROP DATABASE shop SYNC')
    expect((await restore(snapshot)).findings).toEqual([])
    expect(await fingerprint(engine, ORDERS)).toEqual(print)
    expect(await partList(engine, ORDERS)).toEqual(parts)
    expect(await engine.value('SELECT count() FROM shop.`o\\`d "d`')).toBe('10')
    const [path] = await engine.rows(
      "SELECT path FROM system.parts WHERE database = 'shop' AND table = 'orders' LIMIT 1",
    )
    expect(statSync(join(String(path?.['path']), 'k.bin')).nlink).toBe(2)
    expect(await engine.rows('CHECK TABLE shop.orders SETTINGS check_query_single_value_result = 1')).toEqual([
      { result: 1 },
    ])
  })

  it('is unchanged by what is done to the table that was restored from it', async () => {
    const print = await fingerprint(engine, ORDERS)
    const snapshot = await keep()
    await restore(snapshot, { as: { database: 'was' } })
    await engine.run(
      "ALTER TABLE was.orders UPDATE v = 'x' WHERE 1 SETTINGS mutations_sync = 2",
      'OPTIMIZE TABLE was.orders FINAL',
      'DROP DATABASE was SYNC',
      'DROP DATABASE shop SYNC',
    )
    await restore(snapshot, { as: { database: 'was' } })
    expect(await fingerprint(engine, was(ORDERS))).toEqual(print)
  })

  it('goes into tables that are there, and beside what it would replace', async () => {
    const print = await fingerprint(engine, ORDERS)
    const snapshot = await keep()
    await engine.run('TRUNCATE TABLE shop.orders SYNC')
    await restore(snapshot, { tables: ['shop.orders'], mode: 'data' })
    expect(await fingerprint(engine, ORDERS)).toEqual(print)
    await engine.run('INSERT INTO shop.orders VALUES (7, 7, 7)')
    await expect(restore(snapshot)).rejects.toMatchObject({ code: 'CONFLICT' })
    const { tables } = await restore(snapshot, { tables: ['shop.orders'], mode: 'replace' })
    expect(tables[0]?.kept).toBeDefined()
    expect(await fingerprint(engine, ORDERS)).toEqual(print)
  })

  it('becomes a backup of the moment when it was frozen, from the links alone', async () => {
    const print = await fingerprint(engine, ORDERS)
    const snapshot = await keep()
    await engine.run('DROP TABLE shop.orders SYNC')
    const { summary, findings } = await storeLocal(ctx, snapshot)
    expect(findings).toEqual([])
    expect(summary).toMatchObject({ started: snapshot.started, parts: 4, rows: 3010, status: 'complete' })
    expect((await ctx.verify([summary.id], 'content')).findings).toEqual([])
    await ctx.restore(summary, { as: { database: 'was' } })
    expect(await fingerprint(engine, was(ORDERS))).toEqual(print)
  })

  it('is exported as a tree that CREATE, cp and ATTACH PARTITION restore', async () => {
    const print = await fingerprint(engine, ORDERS)
    const to = join(bench.directory, 'exported')
    const exported = await exportLocal(ctx, await keep(), to)
    expect(exported).toMatchObject({ tables: 2, parts: 4 })
    expect(readdirSync(join(to, 'data', 'shop')).sort()).toEqual(['o%60d%20%22d', 'orders'])
    await engine.run('DROP TABLE shop.orders SYNC', readFileSync(join(to, 'metadata/shop/orders.sql'), 'utf8'))
    const paths = await engine.rows(
      "SELECT data_paths[1] AS path FROM system.tables WHERE database = 'shop' AND name = 'orders'",
    )
    await cp(join(to, 'data/shop/orders'), join(String(paths[0]?.['path']), 'detached'), { recursive: true })
    for (const partition of [0, 1, 2]) await engine.run(`ALTER TABLE shop.orders ATTACH PARTITION ${partition}`)
    expect(await fingerprint(engine, ORDERS)).toEqual(print)
    await expect(exportLocal(ctx, await keep(), to)).rejects.toMatchObject({ code: 'CONFLICT' })
  })

  it('that is damaged in its record says so, and its parts stay', async () => {
    const { id, directory } = await keep()
    writeFileSync(join(engine.path, 'permafrost_local', `${id}.json`), '{"version":1')
    await expect(listLocal(ctx)).rejects.toMatchObject({ code: 'DAMAGED' })
    await expect(keep()).rejects.toMatchObject({ code: 'DAMAGED' })
    expect(existsSync(join(engine.path, 'permafrost_local', directory))).toBe(true)
    await ctx.disk.remove(join(engine.path, 'permafrost_local'))
  })
})

describe('a run that dies', () => {
  it('at any call to the disk leaves a whole snapshot or none, and the next run clears the rest', async () => {
    const selector = parseSelector(['shop.orders'])
    const dead = { ...ctx.self, boot: '00000000' }
    let deaths = 0
    for (let point = 0, ended = false; !ended; point++) {
      const pulled = plug(point, point % 2 === 0 ? 'before' : 'after')
      const dying = { ...ctx, disk: pulled.disk(ctx.disk), self: dead }
      ended = await keepLocal(dying, { selector, tags: [] }).then(
        () => true,
        () => false,
      )
      if (pulled.pulled) deaths++
      const snapshots = readLocalSnapshots({ info: await engine.describe(), disk: ctx.disk })
      for (const snapshot of snapshots) {
        await restore(snapshot, { as: { database: 'was' } })
        expect(await engine.value('SELECT count() FROM was.orders')).toBe('3000')
        await engine.run('DROP DATABASE was SYNC')
      }
    }
    expect(deaths).toBeGreaterThan(5)
    await keep(['shop.orders'])
    const standing = readLocalSnapshots({ info: await engine.describe(), disk: ctx.disk })
    const names = standing.flatMap(({ id, directory }) => [`${id}.json`, directory])
    expect(readdirSync(join(engine.path, 'permafrost_local')).sort()).toEqual([...names].sort())
    expect(readdirSync(join(engine.path, 'shadow')).filter((name) => name.startsWith('permafrost'))).toEqual([])
  })

  it('on another machine may still run: what it has begun stays', async () => {
    const theirs = join(engine.path, 'permafrost_local', 'permafrost_ffffffff_ffffffff_1_1_00000000')
    mkdirSync(theirs, { recursive: true })
    await keep()
    expect(existsSync(theirs)).toBe(true)
  })
})
