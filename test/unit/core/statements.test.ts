import { describe, expect, it } from 'vitest'
import { attachCreate, emptyCreate, readCreate, sameStatement } from '../../../src/core/create-statement.ts'
import type { ServerEntry } from '../../../src/core/definitions.ts'
import { hasGroup, replicaPathOf } from '../../../src/core/engine-edits.ts'
import { PermafrostError } from '../../../src/core/errors.ts'
import { localCreate } from '../../../src/core/local-create.ts'
import { tablesNamedBy } from '../../../src/core/mentions.ts'
import { parseNames } from '../../../src/core/parse-names.ts'
import { planAccess } from '../../../src/core/plan-access.ts'
import { orderRestore } from '../../../src/core/restore-order.ts'
import { rewriteCreate } from '../../../src/core/rewrite-create.ts'
import type { Rewrite } from '../../../src/core/rewrite-create.ts'
import { sql } from '../../../src/core/sql.ts'
import type { TableName } from '../../../src/core/sql.ts'

/** Everything of database `p` goes to `q`; `p.t` becomes `q.u`. */
const renaming = {
  table: ({ database, name }: TableName) =>
    database === 'p' ? { database: 'q', name: name === 't' ? 'u' : name } : { database, name },
  database: (name: string) => (name === 'p' ? 'q' : name),
}
const move = (statement: string, more: Partial<Rewrite> = {}) =>
  rewriteCreate(statement, { renaming, from: { database: 'p', name: 'x' }, to: { database: 'q', name: 'x' }, ...more })
const view = (query: string) => move(`CREATE VIEW p.x (\`k\` UInt8) AS ${query}`).replace(/^.*? AS /, '')

describe('names in a query follow their tables', () => {
  it.each([
    ['SELECT k FROM p.a', 'SELECT k FROM `q`.`a`'],
    ['SELECT k FROM p.a AS a, p.b WHERE 1', 'SELECT k FROM `q`.`a` AS a, `q`.`b` WHERE 1'],
    ['SELECT t.k FROM p.t', 'SELECT t.k FROM `q`.`u` AS `t`'],
    ['SELECT s.k FROM p.t AS s FINAL', 'SELECT s.k FROM `q`.`u` AS s FINAL'],
    ['SELECT k FROM p.t FINAL', 'SELECT k FROM `q`.`u` AS `t` FINAL'],
    ['SELECT p.t.k, p.t.* FROM p.t AS s', 'SELECT `q`.`u`.k, `q`.`u`.* FROM `q`.`u` AS s'],
    ['SELECT p.k FROM other.z AS p', 'SELECT p.k FROM other.z AS p'],
    [
      'SELECT 1 FROM p.a INNER JOIN p.b AS b ON a.k = b.k',
      'SELECT 1 FROM `q`.`a` INNER JOIN `q`.`b` AS b ON a.k = b.k',
    ],
    ['SELECT 1 FROM p.a ARRAY JOIN p.b AS z, p.c AS y', 'SELECT 1 FROM `q`.`a` ARRAY JOIN p.b AS z, p.c AS y'],
    [
      'WITH c AS (SELECT 1 FROM p.a) SELECT * FROM c, p.b',
      'WITH c AS (SELECT 1 FROM `q`.`a`) SELECT * FROM c, `q`.`b`',
    ],
    [
      'SELECT 1 FROM (SELECT 2 FROM p.a) UNION ALL SELECT 3 FROM p.b',
      'SELECT 1 FROM (SELECT 2 FROM `q`.`a`) UNION ALL SELECT 3 FROM `q`.`b`',
    ],
    [
      'SELECT 1 FROM p.a WHERE (k IN (p.s)) AND (k GLOBAL IN p.s)',
      'SELECT 1 FROM `q`.`a` WHERE (k IN (`q`.`s`)) AND (k GLOBAL IN `q`.`s`)',
    ],
    [
      "SELECT dictGet('p.d', 'v', k), joinGet(p.j, 'v', k) FROM p.a",
      "SELECT dictGet('q.d', 'v', k), joinGet(`q`.`j`, 'v', k) FROM `q`.`a`",
    ],
    [
      "SELECT * FROM remote('h', p.t), cluster('c', 'p', 'a')",
      "SELECT * FROM remote('h', `q`.`u`), cluster('c', 'q', 'a')",
    ],
    ["SELECT * FROM merge('p', '^t')", "SELECT * FROM merge('q', '^t')"],
    [
      "SELECT 'FROM p.a', `FROM p.a`, trim(BOTH 'p.a' FROM k) FROM p.a -- FROM p.a",
      "SELECT 'FROM p.a', `FROM p.a`, trim(BOTH 'p.a' FROM k) FROM `q`.`a` -- FROM p.a",
    ],
    [
      'SELECT array(p.a), k FROM `p`.`we``ird` WHERE k > (SELECT max(k) FROM "p"."b")',
      'SELECT array(p.a), k FROM `q`.`we\\`ird` WHERE k > (SELECT max(k) FROM `q`.`b`)',
    ],
  ])('%s', (query, expected) => {
    expect(view(query)).toBe(expected)
  })

  it('is the same statement, token for token, where nothing is renamed', () => {
    const statement =
      "CREATE VIEW z.x (`k` UInt8) AS SELECT /* p.a */ k FROM z.a, z.b WHERE k IN (z.c) AND dictHas('z.d', k)"
    expect(move(statement, { to: { database: 'z', name: 'x' } })).toBe(statement.replace('z.x', '`z`.`x`'))
  })
})

describe('names outside of a query follow their tables', () => {
  it.each([
    [
      "CREATE TABLE p.x (`k` UInt8) ENGINE = Distributed('p', 'p', 't', rand())",
      "CREATE TABLE `q`.`x` (`k` UInt8) ENGINE = Distributed('p', 'q', 'u', rand())",
    ],
    [
      'CREATE TABLE p.x (`k` UInt8) ENGINE = Distributed(main, p, t)',
      'CREATE TABLE `q`.`x` (`k` UInt8) ENGINE = Distributed(main, `q`, `u`)',
    ],
    [
      "CREATE TABLE p.x (`k` UInt8) ENGINE = Buffer('p', 't', 1, 2)",
      "CREATE TABLE `q`.`x` (`k` UInt8) ENGINE = Buffer('q', 'u', 1, 2)",
    ],
    [
      "CREATE TABLE p.x (`k` UInt8) ENGINE = Merge('p', '^t')",
      "CREATE TABLE `q`.`x` (`k` UInt8) ENGINE = Merge('q', '^t')",
    ],
    [
      "CREATE TABLE p.x (`k` UInt8) ENGINE = Merge(currentDatabase(), '^t')",
      "CREATE TABLE `q`.`x` (`k` UInt8) ENGINE = Merge(currentDatabase(), '^t')",
    ],
    [
      "CREATE TABLE p.x (`v` String DEFAULT dictGetOrDefault('p.d', 'v', k, '')) ENGINE = Memory",
      "CREATE TABLE `q`.`x` (`v` String DEFAULT dictGetOrDefault('q.d', 'v', k, '')) ENGINE = Memory",
    ],
    [
      'CREATE MATERIALIZED VIEW p.x TO p.t (`k` UInt8) AS SELECT k FROM p.a',
      'CREATE MATERIALIZED VIEW `q`.`x` TO `q`.`u` (`k` UInt8) AS SELECT k FROM `q`.`a`',
    ],
    [
      'CREATE MATERIALIZED VIEW p.x REFRESH EVERY 1 DAY TO p.t (`k` UInt8) AS SELECT k FROM p.a',
      'CREATE MATERIALIZED VIEW `q`.`x` REFRESH EVERY 1 DAY TO `q`.`u` (`k` UInt8) AS SELECT k FROM `q`.`a`',
    ],
    [
      "CREATE DICTIONARY p.x (`k` UInt8) PRIMARY KEY k SOURCE(CLICKHOUSE(TABLE 't' DB 'p' USER 'u')) LAYOUT(FLAT())",
      "CREATE DICTIONARY `q`.`x` (`k` UInt8) PRIMARY KEY k SOURCE(CLICKHOUSE(TABLE 'u' DB 'q' USER 'u')) LAYOUT(FLAT())",
    ],
    [
      "CREATE DICTIONARY p.x (`k` UInt8) PRIMARY KEY k SOURCE(CLICKHOUSE(TABLE 't')) LAYOUT(FLAT())",
      "CREATE DICTIONARY `q`.`x` (`k` UInt8) PRIMARY KEY k SOURCE(CLICKHOUSE(DB 'q' TABLE 'u')) LAYOUT(FLAT())",
    ],
    [
      "CREATE DICTIONARY p.x (`k` UInt8) PRIMARY KEY k SOURCE(CLICKHOUSE(HOST 'elsewhere' TABLE 't' DB 'p')) LAYOUT(FLAT())",
      "CREATE DICTIONARY `q`.`x` (`k` UInt8) PRIMARY KEY k SOURCE(CLICKHOUSE(HOST 'elsewhere' TABLE 't' DB 'p')) LAYOUT(FLAT())",
    ],
    [
      "CREATE DICTIONARY p.x (`k` UInt8) PRIMARY KEY k SOURCE(CLICKHOUSE(QUERY 'SELECT \\'p.t\\', k FROM p.t')) LAYOUT(FLAT())",
      "CREATE DICTIONARY `q`.`x` (`k` UInt8) PRIMARY KEY k SOURCE(CLICKHOUSE(QUERY 'SELECT \\'p.t\\', k FROM `q`.`u` AS `t`')) LAYOUT(FLAT())",
    ],
    [
      "CREATE TABLE p.x (`k` UInt8) ENGINE = MergeTree ORDER BY k TTL d TO DISK 'p'",
      "CREATE TABLE `q`.`x` (`k` UInt8) ENGINE = MergeTree ORDER BY k TTL d TO DISK 'p'",
    ],
  ])('%s', (statement, expected) => {
    expect(move(statement)).toBe(expected)
  })

  it('and say what a statement needs', () => {
    const named = tablesNamedBy(
      "CREATE MATERIALIZED VIEW p.x TO p.t AS WITH c AS (SELECT 1) SELECT dictGet('p.d', 'v', k) FROM a, c JOIN z.b ON 1",
      'p',
    )
    expect(named.map(({ role, table }) => `${role} ${table.database}.${table.name}`)).toEqual([
      'target p.t',
      'dictionary p.d',
      'source p.a',
      'source z.b',
    ])
  })
})

describe('engines', () => {
  const engine = (text: string, more: Partial<Rewrite>) =>
    move(`CREATE TABLE p.x (\`k\` UInt8) ENGINE = ${text} ORDER BY k`, more).replace(
      /^.* ENGINE = (.*) ORDER BY k$/,
      '$1',
    )

  it('lose their replication with plain', () => {
    const plain = (text: string) => engine(text, { plain: true })
    expect(plain("ReplicatedMergeTree('/a/{shard}', '{replica}')")).toBe('MergeTree')
    expect(plain("ReplicatedReplacingMergeTree('/a', 'r', version, deleted)")).toBe(
      'ReplacingMergeTree(version, deleted)',
    )
    expect(plain('ReplicatedSummingMergeTree((a, b))')).toBe('SummingMergeTree((a, b))')
    expect(plain('ReplicatedMergeTree')).toBe('MergeTree')
    expect(plain("SharedMergeTree('/a', 'r')")).toBe('MergeTree')
    expect(plain('Memory')).toBe('Memory')
  })

  it('take another path, in which the names are those of the new table', () => {
    const path = (text: string) => engine(text, { replicaPath: '/b/{shard}/{database}.{table}' })
    expect(path("ReplicatedMergeTree('/a/{shard}', '{replica}')")).toBe(
      "ReplicatedMergeTree('/b/{shard}/q.x', '{replica}')",
    )
    expect(path('ReplicatedReplacingMergeTree(version)')).toBe(
      "ReplicatedReplacingMergeTree('/b/{shard}/q.x', '{replica}', version)",
    )
    expect(path('ReplicatedMergeTree')).toBe("ReplicatedMergeTree('/b/{shard}/q.x', '{replica}')")
    expect(path('MergeTree')).toBe('MergeTree')
    expect(engine("ReplicatedMergeTree('/a/old-uuid', 'r')", { uuids: ['old-uuid', 'new-uuid'] })).toBe(
      "ReplicatedMergeTree('/a/new-uuid', 'r')",
    )
    expect(
      replicaPathOf(readCreate("CREATE TABLE p.x (k UInt8) ENGINE = ReplicatedMergeTree('/a\\'', 'r', v)")),
    ).toEqual({ path: "/a'", replica: 'r' })
  })

  it('are read in another consumer group', () => {
    expect(engine("Kafka SETTINGS kafka_broker_list = 'b', kafka_group_name = 'g'", { group: "it's" })).toBe(
      "Kafka SETTINGS kafka_broker_list = 'b', kafka_group_name = 'it\\'s'",
    )
    expect(engine("Kafka('b', 't', 'g', 'JSONEachRow')", { group: 'n' })).toBe("Kafka('b', 't', 'n', 'JSONEachRow')")
    expect(engine("Kafka(collection, kafka_group_name = 'g')", { group: 'n' })).toBe(
      "Kafka(collection, kafka_group_name = 'n')",
    )
    expect(hasGroup(readCreate('CREATE TABLE p.x (k UInt8) ENGINE = Kafka(collection)'))).toBe(false)
  })

  it('are attached with UUIDs of their own', () => {
    const statement = 'CREATE MATERIALIZED VIEW p.x (`k` UInt8) ENGINE = MergeTree ORDER BY k AS SELECT k FROM p.a'
    expect(attachCreate(statement, { uuid: 'u', inner: 'i' })).toBe(
      "ATTACH MATERIALIZED VIEW `p`.`x` UUID 'u' TO INNER UUID 'i' (`k` UInt8) ENGINE = MergeTree ORDER BY k AS SELECT k FROM p.a",
    )
    expect(attachCreate("CREATE MATERIALIZED VIEW p.x UUID 'a' TO INNER UUID 'b' (`k` UInt8) AS SELECT 1", {})).toBe(
      'ATTACH MATERIALIZED VIEW `p`.`x`  (`k` UInt8) AS SELECT 1',
    )
  })

  it('are not refreshed when they are made', () => {
    const statement = 'CREATE MATERIALIZED VIEW p.x REFRESH EVERY 1 DAY TO p.t (`k` UInt8) AS SELECT 1'
    expect(emptyCreate(statement)).toBe(statement.replace(' AS ', ' EMPTY AS '))
    expect(emptyCreate(emptyCreate(statement))).toBe(emptyCreate(statement))
    expect(emptyCreate('CREATE VIEW p.x AS SELECT 1')).toBe('CREATE VIEW p.x AS SELECT 1')
  })

  it('are the same, however they are quoted', () => {
    expect(sameStatement('CREATE VIEW p.x AS SELECT `k`', 'CREATE VIEW `p`.`x`\n AS SELECT k')).toBe(true)
    expect(sameStatement("CREATE VIEW p.x AS SELECT 'k'", 'CREATE VIEW p.x AS SELECT k')).toBe(false)
  })
})

describe('users, roles and policies', () => {
  const user = {
    kind: 'user',
    name: 'ann',
    statements: ["CREATE USER ann IDENTIFIED WITH sha256_hash BY 'f00'", 'GRANT r TO ann'],
  } as const
  const role = { kind: 'role', name: 'r', statements: ['CREATE ROLE r', 'GRANT SELECT ON p.* TO r'] } as const
  const policy = {
    kind: 'row policy',
    name: 'mine ON p.t',
    statements: ['CREATE ROW POLICY mine ON p.t FOR SELECT USING k = 1 TO ann'],
  } as const
  const all = [role, user, policy]
  const plan = (wish: 'fail' | 'skip' | 'replace', there: readonly Pick<ServerEntry, 'kind' | 'name'>[] = [user]) =>
    planAccess(all, { there, wish })

  it('are made first and granted to last', () => {
    expect(plan('fail', [])).toEqual([
      'CREATE ROLE r',
      "CREATE USER ann IDENTIFIED WITH sha256_hash BY 'f00'",
      'CREATE ROW POLICY mine ON p.t FOR SELECT USING k = 1 TO ann',
      'GRANT SELECT ON p.* TO r',
      'GRANT r TO ann',
    ])
  })

  it('are refused, left or replaced when they exist', () => {
    expect(() => plan('fail')).toThrow('user ann exists already')
    expect(plan('skip').join(' ')).not.toContain('TO ann IDENTIFIED')
    expect(plan('skip')).toHaveLength(3)
    expect(plan('replace').slice(0, 3)).toEqual([
      'CREATE ROLE OR REPLACE r',
      "CREATE USER OR REPLACE ann IDENTIFIED WITH sha256_hash BY 'f00'",
      'CREATE ROW POLICY OR REPLACE mine ON p.t FOR SELECT USING k = 1 TO ann',
    ])
  })
})

describe('an order', () => {
  const node = (name: string, ...needs: string[]) => ({
    target: { database: 'p', name },
    needs: needs.map((other) => ({ database: 'p', name: other })),
    phase: 0,
  })

  it('puts what is needed first, and lower phases before higher ones', () => {
    const nodes = [node('view', 'table', 'elsewhere'), { ...node('first'), phase: -1 }, node('table', 'table')]
    expect(orderRestore(nodes).map(({ target }) => target.name)).toEqual(['first', 'table', 'view'])
  })

  it('is refused with the whole circle when there is none', () => {
    expect(() => orderRestore([node('x', 'a'), node('a', 'b'), node('b', 'c'), node('c', 'a')])).toThrow(
      'in a circle: p.a needs p.b, p.b needs p.c, p.c needs p.a',
    )
  })
})

describe('what --as was given', () => {
  it('is a database, a table, or any number of names that become others', () => {
    expect(parseNames(['q'])).toEqual({ as: { database: 'q' } })
    expect(parseNames(['q', 'a=b', 'a.t=c.`u=v`'])).toEqual({
      as: { database: 'q' },
      renames: [
        { from: { database: 'a' }, to: { database: 'b' } },
        { from: { database: 'a', name: 't' }, to: { database: 'c', name: 'u=v' } },
      ],
    })
    for (const bad of [['a', 'b'], ['a.t=b'], ['a=b=c'], ['a=']]) expect(() => parseNames(bad)).toThrow(PermafrostError)
  })
})

describe('a definition for a ClickHouse that stands alone', () => {
  it.each([
    [
      "CREATE TABLE a.b (k UInt8 TTL d + 1) ENGINE = ReplicatedMergeTree('/t', '{replica}') ORDER BY k TTL d + 1",
      'CREATE TABLE a.b (k UInt8 TTL d + 1) ENGINE = MergeTree ORDER BY k SETTINGS x = 1',
    ],
    [
      "CREATE TABLE a.b (k UInt8) ENGINE = ReplicatedReplacingMergeTree('/t', 'r', v) PARTITION BY (k, 1) ORDER BY k SETTINGS storage_policy = 'p', index_granularity = 8 COMMENT 'TTL'",
      "CREATE TABLE a.b (k UInt8) ENGINE = ReplacingMergeTree(v) PARTITION BY (k, 1) ORDER BY k SETTINGS index_granularity = 8, x = 1 COMMENT 'TTL'",
    ],
    [
      'CREATE TABLE a.b (k UInt8) ENGINE = SharedMergeTree ORDER BY ttl SAMPLE BY k SETTINGS disk = disk(type = s3)',
      'CREATE TABLE a.b (k UInt8) ENGINE = MergeTree ORDER BY ttl SAMPLE BY k SETTINGS x = 1',
    ],
  ])('of %s has no replication, no disk and no TTL of its rows', (statement, local) => {
    expect(localCreate(statement, [sql`x = 1`])).toBe(local)
  })

  it('is made of tables with parts only', () => {
    expect(() => localCreate('CREATE TABLE a.b (k UInt8) ENGINE = Memory', [])).toThrow('no MergeTree')
  })
})
