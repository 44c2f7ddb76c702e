import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { PermafrostError } from '../../src/core/errors.ts'
import { trusted } from '../../src/core/sql.ts'
import type { Sql } from '../../src/core/sql.ts'
import { parseFreezeName } from '../../src/engine/freeze-name.ts'
import { thisFreezer } from '../../src/engine/freezer.ts'
import { doctor } from '../../src/operations/doctor.ts'
import type { Repository } from '../../src/repository/repository.ts'
import { fingerprint, messages, workbench } from '../helpers/workbench.ts'
import type { TestContext, TestEngine, Workbench } from '../helpers/workbench.ts'

let bench: Workbench
let engine: TestEngine
let repository: Repository
let ctx: TestContext

beforeAll(async () => {
  bench = await workbench()
  engine = await bench.engine('source')
})
afterAll(() => bench[Symbol.asyncDispose]())
let count = 0
beforeEach(async () => {
  repository = await bench.repository(`repository-${count++}`)
  ctx = bench.context(engine, repository)
  await engine.run(
    'CREATE DATABASE f',
    'CREATE TABLE f.a (k UInt64, v UInt64) ENGINE = MergeTree ORDER BY k',
    'INSERT INTO f.a SELECT number, 1 FROM numbers(1000)',
  )
})
afterEach(() => engine.run('DROP DATABASE IF EXISTS f SYNC', 'DROP DATABASE IF EXISTS g SYNC'))

const shadow = () => readdirSync(join(engine.path, 'shadow')).filter((name) => name !== 'increment.txt')

/** The engine, with something done before or after statements of a kind: what other clients do at that moment. */
function during(when: 'before' | 'after', statement: RegExp, work: (sql: Sql) => Promise<void>): TestEngine {
  let done = false
  return {
    ...engine,
    command: async (sql, options) => {
      const now = !done && statement.test(sql.text)
      if (now) done = true
      if (now && when === 'before') await work(sql)
      await engine.command(sql, options)
      if (now && when === 'after') await work(sql)
    },
  }
}

describe('a freeze', () => {
  it('is started for all tables at one instant: rows that were written one after another are rows apart', async () => {
    await engine.run(
      'CREATE TABLE f.b AS f.a',
      'CREATE TABLE f.many (p UInt16, k UInt64) ENGINE = MergeTree PARTITION BY p ORDER BY k SETTINGS max_bytes_to_merge_at_max_space_in_pool = 1',
      'TRUNCATE TABLE f.a',
      ...Array.from(
        { length: 10 },
        (_, i) => `INSERT INTO f.many SELECT ${i * 50} + number % 50, number FROM numbers(50)`,
      ),
    )
    const going = { on: true }
    const writer = (async () => {
      for (let n = 0; going.on; n++)
        await engine.run(`INSERT INTO f.a VALUES (${n}, 1)`, `INSERT INTO f.b VALUES (${n}, 1)`)
    })()
    const { summary } = await ctx.backup({ tables: ['f.*'] })
    going.on = false
    await writer
    const target = await bench.engine('consistent')
    await bench.context(target, repository).restore(summary)
    const [a, b] = [
      Number(await target.value('SELECT count() FROM f.a')),
      Number(await target.value('SELECT count() FROM f.b')),
    ]
    expect(a).toBeGreaterThan(0)
    expect(Math.abs(a - b)).toBeLessThanOrEqual(3)
  })

  it('does not stop inserts', async () => {
    await ctx.backup({ tables: ['f.*'] })
    await engine.run('INSERT INTO f.a VALUES (1, 1)')
    expect(await engine.value('SELECT count() FROM f.a')).toBe('1001')
  })

  it('is repeated only when it certainly did not begin', async () => {
    let refusals = 3
    const busy: TestEngine = {
      ...engine,
      command: async (sql, options) => {
        if (/FREEZE WITH NAME/.test(sql.text) && refusals-- > 0)
          throw new PermafrostError('ENGINE_REFUSED', 'File shadow/increment.txt is empty. You must fill it manually', {
            detail: { clickhouse: 32 },
          })
        await engine.command(sql, options)
      },
    }
    expect((await bench.context(busy, repository).backup({ tables: ['f.*'] })).findings).toEqual([])

    let frozen = 0
    const broken: TestEngine = {
      ...engine,
      command: async (sql, options) => {
        if (/ FREEZE WITH NAME/.test(sql.text) && ++frozen)
          throw new PermafrostError('ENGINE_UNAVAILABLE', 'socket hang up')
        await engine.command(sql, options)
      },
    }
    await expect(bench.context(broken, repository).backup({ tables: ['f.*'] })).rejects.toMatchObject({
      code: 'ENGINE_UNAVAILABLE',
    })
    expect(frozen).toBe(1)
  })

  it('of a new server, whose first freezes meet, is whole', async () => {
    const fresh = await bench.engine('fresh')
    await fresh.run(
      'CREATE DATABASE f',
      ...Array.from({ length: 12 }, (_, n) => `CREATE TABLE f.t${n} (k UInt64) ENGINE = MergeTree ORDER BY k`),
      ...Array.from({ length: 12 }, (_, n) => `INSERT INTO f.t${n} VALUES (1)`),
    )
    expect((await bench.context(fresh, repository).backup({ tables: ['f.*'] })).findings).toEqual([])
  })

  it('leaves the freezes of others alone, and removes its own', async () => {
    await engine.run("ALTER TABLE f.a FREEZE WITH NAME 'by_hand'")
    await ctx.backup({ tables: ['f.*'] })
    expect(shadow()).toEqual(['by_hand'])
    await engine.run("SYSTEM UNFREEZE WITH NAME 'by_hand'")
  })

  it.each([
    ['SYSTEM UNFREEZE', /^$/],
    ['ALTER … UNFREEZE', /^SYSTEM UNFREEZE/],
    ['removing its own directories', /UNFREEZE/],
  ])('is undone by %s', async (_how, unknown) => {
    const old: TestEngine = {
      ...engine,
      command: async (sql, options) =>
        unknown.test(sql.text) ? Promise.reject(new Error('Code: 62. Syntax error')) : engine.command(sql, options),
    }
    await bench.context(old, repository).backup({ tables: ['f.*'] })
    expect(shadow()).toEqual([])
  })

  it('is undone when the backup fails, and when it is stopped', async () => {
    const storage = { ...repository.storage, put: async () => Promise.reject(new Error('no')) }
    await expect(bench.context(engine, { ...repository, storage }).backup({ tables: ['f.*'] })).rejects.toThrow('no')
    expect(shadow()).toEqual([])

    const stop = new AbortController()
    const stopping = during('after', /FREEZE WITH NAME/, async () => stop.abort())
    await expect(
      bench.context(stopping, repository, { signal: stop.signal }).backup({ tables: ['f.*'] }),
    ).rejects.toThrow(/abort|stopped/)
    expect(shadow()).toEqual([])
  })
})

describe('what happens between the catalogue and the freeze', () => {
  it('a table that is dropped is a finding, and no failure', async () => {
    await engine.run('CREATE TABLE f.doomed AS f.a')
    const dropping = during('before', /f`.`doomed` FREEZE/, async () => engine.run('DROP TABLE f.doomed SYNC'))
    const { summary, findings } = await bench.context(dropping, repository).backup({ tables: ['f.*'] })
    expect(summary).toMatchObject({ status: 'complete', tables: 1 })
    expect(messages(findings, 'warning')).toEqual([
      'f.doomed: was dropped before it was frozen, and is not in the backup',
    ])
  })

  it('a table that is altered is frozen again, under its new definition', async () => {
    const altering = during('after', /FREEZE WITH NAME/, async () =>
      engine.run('ALTER TABLE f.a ADD COLUMN late UInt8 DEFAULT 7', 'INSERT INTO f.a VALUES (1, 1, 9)'),
    )
    const { summary, findings } = await bench.context(altering, repository).backup({ tables: ['f.*'] })
    expect(findings).toEqual([])
    const target = await bench.engine('altered')
    await bench.context(target, repository).restore(summary)
    expect(await fingerprint(target, { database: 'f', name: 'a' })).toEqual(
      await fingerprint(engine, { database: 'f', name: 'a' }),
    )
    expect(await target.value('SELECT sum(late) FROM f.a')).toBe('7009')
    expect(shadow()).toEqual([])
  })

  it('a table that is altered all the time is INCOMPLETE, and alone it is no backup at all', async () => {
    await engine.run('CREATE TABLE f.b AS f.a')
    let n = 0
    const altering: TestEngine = {
      ...engine,
      command: async (sql, options) => {
        await engine.command(sql, options)
        if (/`a` FREEZE WITH NAME/.test(sql.text)) await engine.run(`ALTER TABLE f.a ADD COLUMN c${n++} UInt8`)
      },
    }
    const { summary, findings } = await bench.context(altering, repository).backup({ tables: ['f.*'] })
    expect(summary.status).toBe('incomplete')
    expect(messages(findings, 'incomplete')).toEqual(['f.a: its definition changed during every freeze'])
    const alone = bench.context(altering, repository).backup({ tables: ['f.a'] })
    await expect(alone).rejects.toMatchObject({ code: 'INCOMPLETE' })
  })

  it('a freeze that is refused is INCOMPLETE, and the other tables are backed up', async () => {
    await engine.run('CREATE TABLE f.b AS f.a')
    const refusing: TestEngine = {
      ...engine,
      command: async (sql, options) =>
        engine.command(/f`.`b` FREEZE/.test(sql.text) ? trusted('ALTER TABLE f.b FREEZE PARTITION') : sql, options),
    }
    const { summary, findings } = await bench.context(refusing, repository).backup({ tables: ['f.*'] })
    expect(summary).toMatchObject({ status: 'incomplete', tables: 1 })
    expect(messages(findings, 'incomplete')[0]).toMatch(/^f\.b: could not be frozen: ClickHouse said: Syntax error/)
  })

  it('parts that a freeze lacks are noticed', async () => {
    const { rmSync } = await import('node:fs')
    const losing = during('after', /FREEZE WITH NAME/, async () => {
      const paths = readdirSync(join(engine.path, 'shadow'), { recursive: true })
        .map(String)
        .filter((path) => path.endsWith('all_1_1_0'))
      for (const path of paths) rmSync(join(engine.path, 'shadow', path), { recursive: true })
    })
    const { findings } = await bench.context(losing, repository).backup({ tables: ['f.a'] })
    expect(messages(findings, 'incomplete')).toEqual([
      expect.stringMatching(/^f\.a: 1 of its parts are not in the freeze, among them all_1_1_0/),
    ])
  })
})

describe('what FREEZE leaves out without a word is said', () => {
  it('lightweight updates make the table INCOMPLETE, and are applied when that is allowed', async () => {
    await engine.run(
      'CREATE TABLE f.patched (k UInt64, v UInt64) ENGINE = MergeTree ORDER BY k SETTINGS enable_block_number_column = 1, enable_block_offset_column = 1',
      'INSERT INTO f.patched SELECT number, 1 FROM numbers(100)',
      'UPDATE f.patched SET v = 2 WHERE k < 10',
    )
    const without = await ctx.backup({ tables: ['f.patched'] })
    expect(without.summary.status).toBe('incomplete')
    expect(messages(without.findings, 'incomplete')).toEqual([
      expect.stringMatching(/^f\.patched: lightweight updates in 1 patch part/),
    ])

    const applied = await ctx.backup({ tables: ['f.patched'], applyPatches: true })
    expect(applied.findings).toEqual([])
    const target = await bench.engine('patched')
    await bench.context(target, repository).restore(applied.summary)
    expect(await target.value('SELECT sum(v) FROM f.patched')).toBe('110')
  })

  it('unfinished mutations and detached parts are named', async () => {
    await engine.run(
      'INSERT INTO f.a VALUES (5000, 1)',
      "ALTER TABLE f.a DETACH PART 'all_2_2_0'",
      'SYSTEM STOP MERGES f.a',
      'ALTER TABLE f.a UPDATE v = 3 WHERE 1 SETTINGS mutations_sync = 0',
    )
    const { findings, summary } = await ctx.backup({ tables: ['f.a'] })
    expect(messages(findings, 'warning')).toEqual([expect.stringMatching(/^f\.a: 1 unfinished mutation/)])
    expect(messages(findings, 'note')).toEqual([expect.stringMatching(/^f\.a: 1 detached part/)])
    expect(summary.status).toBe('complete')
    await engine.run('SYSTEM START MERGES f.a')
  })

  it('rows in buffers and in engines without parts are named', async () => {
    await engine.run(
      'CREATE TABLE f.buffer AS f.a ENGINE = Buffer(f, a, 1, 1000, 1000, 1000000, 1000000, 100000000, 100000000)',
      'INSERT INTO f.buffer VALUES (1, 1), (2, 2)',
      'CREATE TABLE f.log (k UInt8) ENGINE = TinyLog',
      'INSERT INTO f.log VALUES (1)',
      'CREATE VIEW f.view AS SELECT * FROM f.a',
      'CREATE TABLE f.nothing (k UInt8) ENGINE = Null',
    )
    const { findings, summary } = await ctx.backup({ tables: ['f.*'] })
    expect(messages(findings, 'warning')).toEqual(['f.buffer: rows in its buffer are not in the backup'])
    expect(messages(findings, 'incomplete')).toEqual([
      expect.stringMatching(/^f\.log: engine TinyLog keeps its rows outside/),
    ])
    expect(summary.status).toBe('incomplete')
    await engine.run('OPTIMIZE TABLE f.buffer')
    const left = await ctx.backup({ tables: ['f.*', '!f.log'] })
    expect(left.findings).toEqual([])
    expect(left.summary.status).toBe('complete')
  })
})

describe('what a killed run left', () => {
  const freezeOf = (self: ReturnType<typeof thisFreezer>) =>
    `permafrost_${self.host}_${self.boot}_${self.pid}_${self.started}_00000000`

  it('is cleared by the next run when its process is gone, and left when it runs or is of another machine', async () => {
    const self = thisFreezer()
    const dead = freezeOf({ ...self, pid: 2 ** 22 - 3 })
    const rebooted = freezeOf({ ...self, boot: '00000000' })
    const alive = freezeOf(self)
    const elsewhere = freezeOf({ ...self, host: '00000000' })
    for (const name of [dead, rebooted, alive, elsewhere])
      await engine.run(`ALTER TABLE f.a FREEZE WITH NAME '${name}'`)
    await engine.run("ALTER TABLE f.a FREEZE WITH NAME 'permafrost_of_mine'")

    const { findings } = await ctx.backup({ tables: ['f.*'] })
    expect(
      messages(findings, 'note')
        .map((line) => line.split(':')[0])
        .sort(),
    ).toEqual([dead, rebooted].sort())
    expect(shadow().sort()).toEqual([alive, elsewhere, 'permafrost_of_mine'].sort())

    const checks = await doctor({ ...ctx, openEngine: async () => engine, openRepository: async () => repository })
    expect(checks.find((check) => check.name === 'freezes')).toMatchObject({
      status: 'warning',
      hint: [expect.stringContaining(elsewhere)],
    })
    for (const name of shadow()) await engine.run(`SYSTEM UNFREEZE WITH NAME '${name}'`)
  })

  it('is told by its name alone', () => {
    const self = thisFreezer()
    expect(parseFreezeName(freezeOf(self))).toEqual(self)
    expect(parseFreezeName(`${freezeOf(self)}_r2`)).toEqual(self)
    for (const other of ['shadow', 'permafrost', 'permafrost_x', `${freezeOf(self)}/..`, '1', 'by_hand'])
      expect(parseFreezeName(other)).toBeUndefined()
  })

  it('of a shadow without parts is removed, too', async () => {
    const self = thisFreezer()
    const name = freezeOf({ ...self, pid: 2 ** 22 - 3 })
    mkdirSync(join(engine.path, 'shadow', name, 'store'), { recursive: true })
    writeFileSync(join(engine.path, 'shadow', name, 'store', 'half'), 'x')
    await ctx.backup({ tables: ['f.*'] })
    expect(existsSync(join(engine.path, 'shadow', name))).toBe(false)
  })
})
