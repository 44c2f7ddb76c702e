import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isBackupId, makeBackupId, resolveBackup } from '../../../src/core/backup-id.ts'
import { Corrupt } from '../../../src/core/corrupt.ts'
import { renameCreate } from '../../../src/core/create-statement.ts'
import { tokenize } from '../../../src/core/tokenizer.ts'
import { ERRORS, hasCode, PermafrostError, toPermafrostError } from '../../../src/core/errors.ts'
import { safeName, safePath } from '../../../src/core/manifest.ts'
import { compareParts, isPatchPart, parsePartName } from '../../../src/core/part-name.ts'
import { parseName, parsePartitionChoice, parseSelector, selects, selectTables } from '../../../src/core/selector.ts'
import { displayName, identifier, join, sql, trusted } from '../../../src/core/sql.ts'
import {
  formatBytes,
  formatSeconds,
  parseBytes,
  parseDuration,
  plural,
  writeBytes,
  writeDuration,
} from '../../../src/core/units.ts'

describe('SQL', () => {
  it('quotes what is put into it by what it is', () => {
    expect(sql`ALTER TABLE ${{ database: 'a', name: 'b`c' }} FREEZE WITH NAME ${"it's"}`.text).toBe(
      "ALTER TABLE `a`.`b\\`c` FREEZE WITH NAME 'it\\'s'",
    )
    expect(
      sql`${1} ${2n} ${true} ${['a', "b'"]} ${identifier('x y')} ${trusted('now()')} ${join([sql`a`, 'b'])}`.text,
    ).toBe("1 2 true ('a', 'b\\'') `x y` now() a, 'b'")
    expect(sql`${'a\\b\n\0\t'}`.text).toBe("'a\\\\b\\n\\0\\t'")
  })

  it('lets no text out of its quotes', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        for (const quoted of [sql`${text}`.text, sql`${identifier(text)}`.text])
          expect(tokenize(quoted)).toHaveLength(1)
      }),
    )
  })

  it('shows names so that they can be typed again', () => {
    expect(displayName({ database: 'my.db', name: 'events' })).toBe('`my.db`.events')
    fc.assert(
      fc.property(
        fc.string({ minLength: 1, unit: 'grapheme' }),
        fc.string({ minLength: 1, unit: 'grapheme' }),
        (database, name) => {
          fc.pre(!/[\n\r\t\0\b\f]/.test(database + name))
          expect(parseName(displayName({ database, name }))).toEqual({ database, name })
          expect(selects(parseSelector([displayName({ database, name })]), { database, name })).toBe(true)
        },
      ),
    )
  })
})

describe('a selector', () => {
  const shop = { database: 'shop', name: 'orders' }
  it.each([
    [['*.*'], shop, true],
    [['shop.*'], shop, true],
    [['shop'], shop, true],
    [['s?op.ord*'], shop, true],
    [['shop.order'], shop, false],
    [['shop.*', '!shop.orders'], shop, false],
    [['!shop.tmp_*'], shop, true],
    [[], shop, true],
    [['*.*'], { database: 'system', name: 'query_log' }, false],
    [['system.*'], { database: 'system', name: 'query_log' }, true],
    [['`a.b`.`c*`'], { database: 'a.b', name: 'c*' }, true],
    [['`a.b`.`c*`'], { database: 'a.b', name: 'cd' }, false],
    [['a.b.c'], { database: 'a', name: 'b.c' }, true],
  ])('%j of %j: %s', (patterns, table, expected) => {
    expect(selects(parseSelector(patterns), table)).toBe(expected)
  })

  it('is refused when it cannot be read, and when an exact name matches nothing', () => {
    for (const bad of ['', '.', 'a.', '.b', '`a', '!'])
      expect(() => parseSelector([bad])).toThrow(expect.objectContaining({ code: 'USAGE' }))
    expect(() => selectTables(parseSelector(['shop.order']), [shop])).toThrow(
      expect.objectContaining({ code: 'NOT_FOUND', hint: ['there is shop.orders'] }),
    )
    expect(selectTables(parseSelector(['none.*']), [shop])).toEqual([])
  })

  it('of a partition splits at the last colon', () => {
    expect(parsePartitionChoice('shop.`a:b`:202601')).toMatchObject({ id: '202601' })
    for (const bad of ['shop.orders', ':1', 'shop.orders:'])
      expect(() => parsePartitionChoice(bad)).toThrow(expect.objectContaining({ code: 'USAGE' }))
  })
})

describe('a part name', () => {
  it.each([
    ['202601_1_40_3', { partition: '202601', minBlock: 1, maxBlock: 40, level: 3, mutation: 0 }],
    ['202601_1_40_3_57', { partition: '202601', minBlock: 1, maxBlock: 40, level: 3, mutation: 57 }],
    ['-1_1_1_0', { partition: '-1', minBlock: 1, maxBlock: 1, level: 0, mutation: 0 }],
    ['20180101_20180131_1_5_1', { partition: '201801', minBlock: 1, maxBlock: 5, level: 1, mutation: 0 }],
  ])('%s', (name, expected) => {
    expect(parsePartName(name)).toEqual(expected)
  })

  it('is none for other directories', () => {
    for (const other of ['detached', 'tmp', '', '_1_1_0', 'all_1_1', 'ignored_all_1_1_0', 'tmp_merge_all_1_5_1'])
      expect(parsePartName(other)).toBeUndefined()
    expect(isPatchPart('patch-0123-202601_3_3_0')).toBe(true)
  })

  it('orders parts by partition and block, not by letters', () => {
    expect(['all_10_10_0', 'all_2_2_0', 'all_1_1_0_9', 'all_1_1_0_3'].sort(compareParts)).toEqual([
      'all_1_1_0_3',
      'all_1_1_0_9',
      'all_2_2_0',
      'all_10_10_0',
    ])
  })
})

describe('a CREATE statement', () => {
  it.each([
    ['CREATE TABLE a.b (k UInt8) ENGINE = Memory', 'CREATE TABLE `x`.`y` (k UInt8) ENGINE = Memory'],
    ['CREATE TABLE `a`.`b``c` (k UInt8)', 'CREATE TABLE `x`.`y` (k UInt8)'],
    ["CREATE TABLE a.b UUID '01234567-89ab-cdef-0123-456789abcdef' (k UInt8)", 'CREATE TABLE `x`.`y` (k UInt8)'],
    ['CREATE TABLE "a"."b"\n(\n    `k` UInt8\n)', 'CREATE TABLE `x`.`y`\n(\n    `k` UInt8\n)'],
    ['create /* a.b */ table if not exists b(k UInt8)', 'create /* a.b */ table if not exists `x`.`y` (k UInt8)'],
    ['CREATE OR REPLACE TABLE a.b AS a.c', 'CREATE OR REPLACE TABLE `x`.`y` AS a.c'],
    ['CREATE MATERIALIZED VIEW a.b TO a.c AS SELECT 1', 'CREATE MATERIALIZED VIEW `x`.`y` TO a.c AS SELECT 1'],
    [
      "CREATE TABLE a.b (v String DEFAULT 'CREATE TABLE a.b (', `a.b` UInt8 COMMENT $$a.b$$)",
      "CREATE TABLE `x`.`y` (v String DEFAULT 'CREATE TABLE a.b (', `a.b` UInt8 COMMENT $$a.b$$)",
    ],
  ])('%s', (statement, expected) => {
    expect(renameCreate(statement, { database: 'x', name: 'y' })).toBe(expected)
  })

  it('is Corrupt when it is none', () => {
    for (const bad of [
      '',
      'DROP TABLE a.b',
      'CREATE',
      'CREATE TABLE',
      'CREATE TABLE (',
      'CREATE TABLE a.b UUID x',
      "CREATE TABLE a.b (v String DEFAULT 'x",
    ]) {
      expect(() => renameCreate(bad, { database: 'x', name: 'y' })).toThrow(Corrupt)
    }
  })

  it('is split into tokens that are the statement again', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.oneof(
            fc.constantFrom(
              'SELECT',
              ' ',
              "'a\\'b'",
              '`x``y`',
              '"q"',
              '--c\n',
              '/* */',
              '$$h$$',
              '1.5e3',
              '(',
              ',',
              '=',
            ),
            fc.string({ unit: 'grapheme' }).map((text) => text.replace(/['"`]/g, '')),
          ),
        ),
        (pieces) => {
          const statement = pieces.join('')
          expect(
            tokenize(statement)
              .map((token) => token.text)
              .join(''),
          ).toBe(statement)
        },
      ),
    )
  })
})

describe('a path out of a repository', () => {
  it('stays in its part', () => {
    for (const good of ['data.bin', 'p.proj/data.bin', 'a%2Fb.bin', '…', '-']) expect(safePath(good)).toBe(good)
    for (const bad of ['', '.', '..', '../x', '/x', 'a/../b', 'a//b', 'a/b/c/d', 'a\0b', 'x/', './x'])
      expect(() => safePath(bad)).toThrow(Corrupt)
    for (const bad of ['a/b', '..', '']) expect(() => safeName(bad)).toThrow(Corrupt)
  })
})

describe('units', () => {
  it('are printed for people', () => {
    expect([0, 1, 1023, 1536, 10 * 1024 ** 2, 1.5 * 1024 ** 4].map(formatBytes)).toEqual([
      '0 B',
      '1 B',
      '1 KiB',
      '1.5 KiB',
      '10 MiB',
      '1.5 TiB',
    ])
    expect([0.04, 9.96, 59.4, 82, 7322].map(formatSeconds)).toEqual([
      '0.0 s',
      '10.0 s',
      '59 s',
      '1 min 22 s',
      '2 h 2 min',
    ])
    expect([plural(1, 'part'), plural(2000, 'part')]).toEqual(['1 part', '2,000 parts'])
  })

  it('are read from people', () => {
    expect(['64MiB', '50 GB', '1024', '1.5kib', '0B'].map(parseBytes)).toEqual([67108864, 50e9, 1024, 1536, 0])
    expect(['', 'MiB', '1 XB', '-1'].map(parseBytes)).toEqual([undefined, undefined, undefined, undefined])
    expect(['90s', '15m', '1h30m', '7d', '250ms'].map(parseDuration)).toEqual([90, 900, 5400, 604800, 0.25])
    expect(['', '5', 'soon', '1h30'].map(parseDuration)).toEqual([undefined, undefined, undefined, undefined])
  })

  it('are written so that they read back to the byte and the second', () => {
    expect([0, 1023, 1536, 64 << 20, 5 * 2 ** 40].map(writeBytes)).toEqual(['0B', '1023B', '1536B', '64MiB', '5TiB'])
    expect([0, 0.25, 90, 300, 129_600, 604_800].map(writeDuration)).toEqual(['0s', '0.25s', '90s', '5m', '36h', '7d'])
    fc.assert(fc.property(fc.maxSafeNat(), (bytes) => parseBytes(writeBytes(bytes)) === bytes))
    fc.assert(fc.property(fc.nat(1e9), (seconds) => parseDuration(writeDuration(seconds)) === seconds))
  })
})

describe('a backup’s id', () => {
  it('is its second and six characters', () => {
    fc.assert(
      fc.property(
        fc.date({ min: new Date('2000-01-01'), max: new Date('2099-01-01'), noInvalidDate: true }),
        fc.uint8Array({ minLength: 6, maxLength: 6 }),
        (at, random) => {
          expect(isBackupId(makeBackupId(at, random))).toBe(true)
        },
      ),
    )
    expect(isBackupId('../../etc')).toBe(false)
  })

  it('is found by what identifies it', () => {
    const backups = [
      { id: '20261122T030000Z-aaaaaa', host: 'one' },
      { id: '20261123T030000Z-bbbbbb', host: 'two' },
    ]
    expect(resolveBackup('latest', backups).host).toBe('two')
    expect(resolveBackup('latest@one', backups).host).toBe('one')
    expect(resolveBackup('20261122', backups).host).toBe('one')
    expect(resolveBackup('bbbb', backups).host).toBe('two')
    expect(() => resolveBackup('2026', backups)).toThrow(expect.objectContaining({ code: 'USAGE' }))
    expect(() => resolveBackup('bb', backups)).toThrow(expect.objectContaining({ code: 'NOT_FOUND' }))
    expect(() => resolveBackup('latest', [])).toThrow(expect.objectContaining({ code: 'NOT_FOUND' }))
  })
})

describe('an error', () => {
  it('has the exit code of the table, and shows nothing of its cause', () => {
    for (const [code, { exit }] of Object.entries(ERRORS))
      expect(new PermafrostError(code as keyof typeof ERRORS, 'x').exitCode).toBe(exit)
    const error = new PermafrostError('DAMAGED', 'x', { hint: 'y', detail: { pack: 'z' }, cause: new Error('secret') })
    expect(JSON.stringify(error)).toBe('{"code":"DAMAGED","message":"x","hint":["y"],"detail":{"pack":"z"}}')
    expect(hasCode(toPermafrostError(new TypeError('oops')), 'INTERNAL')).toBe(true)
    expect(toPermafrostError(error)).toBe(error)
  })

  it('exits with a number of its own', () => {
    const exits = Object.values(ERRORS).map(({ exit }) => exit)
    expect(new Set(exits).size).toBe(exits.length)
  })
})
