import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { BackupSummary } from '../../src/core/manifest.ts'
import type { Repository } from '../../src/repository/repository.ts'
import { hasOldServer, oldServer } from '../helpers/old-server.ts'
import { messages, workbench } from '../helpers/workbench.ts'
import type { TestEngine, Workbench } from '../helpers/workbench.ts'

let bench: Workbench
let target: TestEngine
let repository: Repository
let from: BackupSummary

const DONE = 'UPDATE n = n + 1 WHERE 1'
const WAITING = "UPDATE n = n * 10, v = 'it\\'s' WHERE 1"

beforeAll(async () => {
  bench = await workbench()
  const source = await bench.engine('source')
  target = await bench.engine('target')
  await source.run(
    'CREATE DATABASE m',
    'CREATE TABLE m.t (k UInt64, n UInt64, v String) ENGINE = MergeTree ORDER BY k',
    "INSERT INTO m.t SELECT number, 1, '' FROM numbers(3)",
    `ALTER TABLE m.t ${DONE} SETTINGS mutations_sync = 2`,
    "INSERT INTO m.t SELECT number, 5, '' FROM numbers(2)",
    'SYSTEM STOP MERGES m.t',
    `ALTER TABLE m.t ${WAITING} SETTINGS mutations_sync = 0`,
    "INSERT INTO m.t SELECT number, 7, '' FROM numbers(1)",
  )
  repository = await bench.repository('repository')
  from = (await bench.context(source, repository).backup({ tables: ['m.*'] })).summary
})
afterAll(() => bench[Symbol.asyncDispose]())

describe('a mutation that was not done', () => {
  it('is gone on with by the restored table, and changes each row once', async () => {
    const { findings } = await bench.context(target, repository).restore(from)
    expect(findings).toEqual([])
    await target.run('ALTER TABLE m.t UPDATE v = v WHERE 0 SETTINGS mutations_sync = 2')
    // 1 was 2 before it, 5 came after what was done, 7 after what waited.
    expect(await target.rows('SELECT n, v, count() AS c FROM m.t GROUP BY n, v ORDER BY n')).toEqual([
      { n: '7', v: '', c: '1' },
      { n: '20', v: "it's", c: '3' },
      { n: '50', v: "it's", c: '2' },
    ])
  })

  it('is named where parts get new names, and nobody goes on with it', async () => {
    const ctx = bench.context(target, repository)
    await ctx.restore(from, { mode: 'schema', as: { database: 'later' } })
    const { findings } = await ctx.restore(from, { mode: 'data', as: { database: 'later' } })
    expect(messages(findings, 'incomplete')).toEqual([
      expect.stringContaining("UPDATE n = n * 10, v = 'it\\'s' WHERE 1"),
    ])
  })
})

describe.runIf(hasOldServer)('a server that is older than the backup', () => {
  it('is refused, with the reason', async () => {
    await using old = await oldServer(join(bench.directory, 'old'))
    await expect(bench.context(old, repository).restore(from)).rejects.toMatchObject({
      code: 'ENGINE_REFUSED',
      message: expect.stringMatching(/^this server is ClickHouse 18\.16\.1, and the backup is of 26\./),
      hint: expect.arrayContaining([expect.stringContaining('--any-version')]),
    })
  })
})
