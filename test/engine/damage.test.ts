import { appendFileSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { layout } from '../../src/core/layout.ts'
import { listBackups, readContents, readPartitions } from '../../src/repository/backups.ts'
import type { Repository } from '../../src/repository/repository.ts'
import { flipByte, flipByteAt } from '../helpers/damage.ts'
import { keysOf, messages, workbench } from '../helpers/workbench.ts'
import type { TestContext, TestEngine, Workbench } from '../helpers/workbench.ts'

let bench: Workbench
let source: TestEngine
let target: TestEngine
let repository: Repository
let ctx: TestContext
let count = 0

beforeAll(async () => {
  bench = await workbench()
  source = await bench.engine('source')
  target = await bench.engine('target')
})
afterAll(() => bench[Symbol.asyncDispose]())

/** A fresh table of two wide parts, and a fresh repository. */
beforeEach(async () => {
  await source.run(
    'DROP DATABASE IF EXISTS shop SYNC',
    'CREATE DATABASE shop',
    'CREATE TABLE shop.orders (p UInt8, k UInt64, name String, total UInt64) ENGINE = MergeTree PARTITION BY p ORDER BY k SETTINGS min_bytes_for_wide_part = 0',
    'INSERT INTO shop.orders SELECT number % 2, number, randomString(50), number FROM numbers(20000)',
  )
  await target.run('DROP DATABASE IF EXISTS shop SYNC')
  repository = await bench.repository(`damage-${count++}`, { packTarget: 1 << 20 })
  ctx = bench.context(source, repository)
})

async function partPath(partition: number): Promise<string> {
  return source.value(
    `SELECT path FROM system.parts WHERE database = 'shop' AND table = 'orders' AND active AND partition_id = '${partition}'`,
  )
}

function objectPath(key: string): string {
  return join(repository.storage.location.slice('file://'.length), key)
}

async function packs(): Promise<readonly string[]> {
  return keysOf(repository.storage, layout.packs.prefix)
}

describe('a flipped byte at the source', () => {
  it('is reported at backup, at verify and at restore, naming table, part and file each time', async () => {
    flipByte(join(await partPath(1), 'name.bin'))
    const { summary, findings } = await ctx.backup()
    const named = /^shop\.orders 1_\d+_\d+_0: name\.bin fails its checksum/
    expect(summary.status).toBe('incomplete')
    expect(messages(findings, 'damage')).toEqual([expect.stringMatching(named)])

    const checked = await ctx.verify([summary.id], 'content')
    expect(messages(checked.findings, 'damage')).toEqual([expect.stringMatching(named)])
    expect(messages(checked.findings, 'damage')[0]).toContain('damaged before the backup')

    const restored = await bench.context(target, repository).restore(summary)
    expect(messages(restored.findings, 'damage')).toEqual([expect.stringMatching(named)])
    expect(await target.value('SELECT count() FROM shop.orders')).toBe('10000')
    expect(await target.value("SELECT name FROM system.detached_parts WHERE table = 'orders'")).toMatch(/^suspect_1_/)
  })

  it('never replaces the good copy that an earlier backup stored', async () => {
    const first = await ctx.backup()
    flipByte(join(await partPath(1), 'name.bin'))
    const second = await ctx.backup()
    expect(second.findings).toEqual([])
    rmSync(objectPath(layout.backups.key(first.summary.id)))
    await bench.context(target, repository).restore(second.summary)
    expect(await target.value('SELECT sum(cityHash64(*)) FROM shop.orders')).not.toBe('0')
    expect((await bench.context(target, repository).verify([second.summary.id], 'content')).findings).toEqual([])
  })

  it('in a part that a mutation made is not carried along: the unchanged column points to its good copy', async () => {
    await source.run(
      'DROP TABLE shop.orders SYNC',
      'CREATE TABLE shop.orders (k UInt64, name String, total UInt64) ENGINE = MergeTree ORDER BY k SETTINGS min_bytes_for_wide_part = 0',
      'INSERT INTO shop.orders SELECT number, randomString(80), 1 FROM numbers(30000)',
    )
    await ctx.backup()
    const path = await source.value("SELECT path FROM system.parts WHERE table = 'orders' AND active")
    flipByte(join(path, 'name.bin'))
    await source.run('ALTER TABLE shop.orders UPDATE total = 2 WHERE 1 SETTINGS mutations_sync = 2')
    const { summary, findings } = await ctx.backup()
    expect(findings).toEqual([])
    await bench.context(target, repository).restore(summary)
    expect(await target.value('SELECT sum(length(name)), sum(total) FROM shop.orders')).toBe(String(80 * 30000))
  })

  it('is looked at again by the next backup, which takes the part when it reads well', async () => {
    const { restoreByte } = await import('../helpers/damage.ts')
    const flip = flipByte(join(await partPath(0), 'total.bin'))
    expect((await ctx.backup()).findings).toHaveLength(1)
    restoreByte(flip)
    const { summary, findings } = await ctx.backup()
    expect(findings).toEqual([])
    expect((await ctx.verify([summary.id], 'content')).findings).toEqual([])
  })

  it.each([
    ['a file that is missing', (part: string) => rmSync(join(part, 'total.bin')), /total\.bin is missing/],
    [
      'a file that is cut short',
      (part: string) => truncateSync(join(part, 'total.bin'), 100),
      /total\.bin has 100 bytes, checksums\.txt lists/,
    ],
    [
      'a checksums.txt that does not read',
      (part: string) => flipByte(join(part, 'checksums.txt')),
      /checksums\.txt does not read/,
    ],
    [
      'a checksums.txt that is missing',
      (part: string) => rmSync(join(part, 'checksums.txt')),
      /checksums\.txt is missing/,
    ],
    [
      'a checksums.txt of another part',
      (part: string) =>
        writeFileSync(
          join(part, 'checksums.txt'),
          readFileSync(
            join(
              part.replace(
                /1_(\d+)_\d+_0\/$/,
                (_all, block: string) => `0_${Number(block) - 1}_${Number(block) - 1}_0/`,
              ),
              'checksums.txt',
            ),
          ),
        ),
      /fails its checksum|is not the one that the server loaded/,
    ],
  ])('%s is stored as it is, and said', async (_what, damage, message) => {
    damage(await partPath(1))
    const { summary, findings } = await ctx.backup()
    expect(messages(findings, 'damage').join('\n')).toMatch(message)
    expect(messages(findings, 'damage').every((line) => line.startsWith('shop.orders 1_'))).toBe(true)
    const { tables } = await bench.context(target, repository).restore(summary)
    expect(tables[0]?.rows).toBe(10_000)
  })
})

describe('damage in the repository', () => {
  it('in the list of parts of one changed partition has that partition stored again, and no other', async () => {
    const first = await ctx.backup()
    const { tables } = await readContents(repository, first.summary.id)
    const [partitions = []] = await readPartitions(repository, tables)
    const block = partitions.find(({ id }) => id === '1')?.blocks[0]?.block
    if (!block) throw new Error('partition 1 has no block')
    flipByteAt(objectPath(layout.meta.key(block.pack.id)), block.offset + block.head + 20)
    await source.run('INSERT INTO shop.orders SELECT number % 2, 1, randomString(50), 1 FROM numbers(2)')

    const { summary, findings } = await ctx.backup()
    expect(messages(findings, 'warning')).toEqual([expect.stringMatching(/^partition 1: is stored again: /)])
    expect(summary.status).toBe('complete')
    expect(summary.reused).toBeGreaterThan(first.summary.logical / 3)
    expect(summary.reused).toBeLessThan((first.summary.logical / 3) * 2)
    await bench.context(target, repository).restore(summary)
    expect(await target.value('SELECT sum(cityHash64(*)) FROM shop.orders')).toBe(
      await source.value('SELECT sum(cityHash64(*)) FROM shop.orders'),
    )
  })

  it.each([
    ['a flipped bit', (pack: string) => flipByte(pack), { inventory: 0, scrub: 1, content: 1 }],
    ['a pack that is missing', (pack: string) => rmSync(pack), { inventory: 1, scrub: 1, content: 1 }],
    ['a pack that is cut short', (pack: string) => truncateSync(pack, 1000), { inventory: 1, scrub: 1, content: 1 }],
    ['a pack that is empty', (pack: string) => truncateSync(pack, 0), { inventory: 1, scrub: 1, content: 1 }],
    [
      'a pack with bytes after its end',
      (pack: string) => appendFileSync(pack, 'x'),
      { inventory: 1, scrub: 1, content: 0 },
    ],
  ] as const)('%s is found, and only the parts in it are lost', async (_what, damage, seen) => {
    const { summary } = await ctx.backup()
    damage(objectPath((await packs())[0] ?? ''))
    for (const level of ['inventory', 'scrub', 'content'] as const) {
      const lines = messages((await ctx.verify([summary.id], level)).findings, 'damage')
      expect({ level, found: Math.min(lines.length, 1) }).toEqual({ level, found: seen[level] })
      expect(lines.every((line) => /^shop\.orders [01]_\d+_\d+_0: /.test(line))).toBe(true)
    }
    const restored = await bench.context(target, repository).restore(summary)
    const lost = seen.content
    expect(restored.findings.length > 0).toBe(lost === 1)
    expect(await target.value('SELECT count() FROM shop.orders')).toBe(lost ? '10000' : '20000')
  })

  it('in a restored file names the file', async () => {
    const { summary } = await ctx.backup()
    for (const pack of await packs()) flipByte(objectPath(pack), 0.3)
    const lines = messages((await ctx.verify([summary.id], 'content')).findings, 'damage')
    expect(lines.join('\n')).toMatch(
      /shop\.orders [01]_\d+_\d+_0: \S+\.(bin|txt|cmrk\d?|idx|cidx|dat|sparse\S*|json|packed): fails authentication in pack [0-9a-f]{64}/,
    )
  })

  it('in a replacement leaves the live table as it is', async () => {
    const { summary } = await ctx.backup()
    await bench.context(target, repository).restore(summary)
    await target.run("INSERT INTO shop.orders VALUES (7, 7, 'new', 7)")
    flipByte(objectPath((await packs())[0] ?? ''))
    const { findings } = await bench.context(target, repository).restore(summary, { mode: 'replace' })
    expect(messages(findings, 'incomplete')).toEqual([expect.stringContaining('was not replaced')])
    expect(await target.value("SELECT count() FROM shop.orders WHERE name = 'new'")).toBe('1')
  })

  it.each([
    ['cut short', (record: string) => truncateSync(record, 300)],
    ['changed', (record: string) => flipByte(record)],
    ['empty', (record: string) => truncateSync(record, 0)],
    ['another backup’s', (record: string, other: string) => writeFileSync(record, readFileSync(other))],
  ] as const)('a record that is %s is listed as damaged, and the other backups go on', async (_what, damage) => {
    const good = (await ctx.backup()).summary
    const bad = (await ctx.backup()).summary
    damage(objectPath(layout.backups.key(bad.id)), objectPath(layout.backups.key(good.id)))
    const outcomes = (await listBackups(repository)).map(({ id, outcome }) => [id, outcome])
    expect(Object.fromEntries(outcomes)).toEqual({ [good.id]: 'read', [bad.id]: 'damaged' })
    await expect(ctx.verify([bad.id], 'inventory')).rejects.toMatchObject({ code: 'DAMAGED' })
    expect((await ctx.verify([good.id], 'content')).findings).toEqual([])
    expect((await ctx.backup()).findings).toEqual([])
  })

  it('of a meta pack is DAMAGED, and names the pack', async () => {
    const { summary } = await ctx.backup()
    for (const key of await keysOf(repository.storage, layout.meta.prefix)) flipByte(objectPath(key))
    await expect(ctx.verify([summary.id], 'inventory')).rejects.toMatchObject({
      code: 'DAMAGED',
      message: expect.stringMatching(/meta\/[0-9a-f]{2}\/[0-9a-f]{64}/),
    })
  })
})
