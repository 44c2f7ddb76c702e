import { mkdirSync, writeFileSync } from 'node:fs'
import { randomBytes } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { join } from 'node:path'
import { pin } from '../../src/operations/pin.ts'
import { forget } from '../../src/repository/forgotten.ts'
import { openJournal } from '../../src/repository/journal.ts'
import { makeKeyFile } from '../../src/repository/keys.ts'
import { announce, condemn, revoke } from '../../src/repository/marks.ts'
import { initRepository } from '../../src/repository/repository.ts'
import type { Suite } from '../../src/repository/seal.ts'
import { putSlot } from '../../src/repository/slots.ts'
import { fileStorage } from '../../src/storage/file.ts'
import { fingerprint, workbench } from '../helpers/workbench.ts'
import type { TestContext } from '../helpers/workbench.ts'

// Makes the repositories beside this file, once for a version of the format: `node test/golden/make.ts v1`. They are kept for
// ever, and every later version must read them.

const random = (size: number) => randomBytes(size)
const [version = ''] = process.argv.slice(2)
const root = fileURLToPath(new URL(`./${version}`, import.meta.url))
mkdirSync(root)

await using bench = await workbench()
const engine = await bench.engine('source')
await engine.run(
  'CREATE DATABASE g',
  'CREATE TABLE g.compact (p UInt8, k UInt64, v String) ENGINE = MergeTree PARTITION BY p ORDER BY k',
  'INSERT INTO g.compact SELECT number % 3, number, toString(number) FROM numbers(300)',
  'CREATE TABLE g.wide (k UInt64, v String, "odd / näme" UInt8, PROJECTION q (SELECT v ORDER BY v)) ENGINE = MergeTree ORDER BY k SETTINGS min_bytes_for_wide_part = 0',
  'INSERT INTO g.wide SELECT number, hex(number), 1 FROM numbers(200)',
)

async function make(name: string, suite: Suite, more: (ctx: TestContext) => Promise<void>): Promise<void> {
  const secret = name === 'passphrase' ? 'correct horse battery staple' : makeKeyFile(random)
  const storage = fileStorage(join(root, name, 'repository'))
  const repository = await initRepository(storage, {
    suite,
    secret: suite === 'none' ? undefined : secret,
    packTarget: 1 << 20,
    at: new Date(),
    random,
  })
  const ctx = bench.context(engine, repository)
  const tables = [
    { database: 'g', name: 'compact' },
    { database: 'g', name: 'wide' },
  ]
  const backups: unknown[] = []
  const backup = async () => {
    const { summary } = await ctx.backup({ tables: ['g.*'], tags: [name] })
    const prints = await Promise.all(
      tables.map(async (table) => ({ ...table, print: await fingerprint(engine, table) })),
    )
    backups.push({ id: summary.id, tables: prints })
  }
  await backup()
  await engine.run("ALTER TABLE g.wide UPDATE v = 'changed' WHERE k < 5 SETTINGS mutations_sync = 2")
  await backup()
  await more(ctx)
  writeFileSync(
    join(root, name, 'expected.json'),
    `${JSON.stringify({ ...(suite !== 'none' && { secret }), backups }, null, 2)}\n`,
  )
}

const nothing = async () => undefined
await make('aes-256-gcm', 'aes-256-gcm', nothing)
await make('chacha20-poly1305', 'chacha20-poly1305', nothing)
await make('plain', 'none', nothing)
await make('passphrase', 'aes-256-gcm', nothing)
await make('every-record', 'aes-256-gcm', async (ctx) => {
  const { repository } = ctx
  const at = new Date().toISOString()
  for (const role of ['agent', 'collector'] as const)
    await putSlot(
      repository.storage,
      { keys: repository.keys, owner: { secret: makeKeyFile(random), role, label: role, created: new Date() } },
      random,
    )
  const { summary } = await ctx.backup({ tables: ['g.compact'] })
  await ctx.verify([summary.id], 'content')
  await pin(ctx, { backup: summary.id, reason: 'hold', until: new Date('2099-01-01') })
  const mark = { backup: summary.id, by: 'golden', at, reason: 'golden', notBefore: '2099-01-01T00:00:00.000Z' }
  await forget(repository, mark, random)
  await announce(repository, { name: `${'a'.repeat(32)}.1`, at, blocks: [] }, random)
  await condemn(repository, { id: 'b'.repeat(32), at, objects: [] }, random)
  await revoke(repository, { name: `${'c'.repeat(32)}.1`, at }, random)
  const journal = openJournal(
    repository,
    { session: 'd'.repeat(32), server: 'golden', maker: 'golden' },
    { random, clock: () => new Date() },
  )
  await journal.flush()
})
