import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { GetObjectCommand, ListObjectsV2Command, PutObjectCommand } from '@aws-sdk/client-s3'
import type { S3Client } from '@aws-sdk/client-s3'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { BackupSummary } from '../../src/core/manifest.ts'
import { parseSelector } from '../../src/core/selector.ts'
import { withView } from '../../src/operations/view.ts'
import type { View } from '../../src/operations/view.ts'
import { openStorage } from '../../src/storage/open.ts'
import { hasCeph, startCeph } from '../helpers/stores/ceph.ts'
import type { Ceph } from '../helpers/stores/ceph.ts'
import { workbench } from '../helpers/workbench.ts'
import type { TestContext, TestEngine, Workbench } from '../helpers/workbench.ts'

const BY_EVENT = 'SELECT event, count() FROM posthog.sharded_events GROUP BY event ORDER BY event'
const ALL_BYTES = 'SELECT sum(cityHash64(properties)) FROM posthog.sharded_events'

describe.runIf(hasCeph)('a query on an encrypted backup in S3, by Ceph', () => {
  let ceph: Ceph
  let bench: Workbench
  let engine: TestEngine
  let ctx: TestContext
  let backup: BackupSummary

  beforeAll(async () => {
    ceph = await startCeph()
    await ceph.bucket('backups')
    bench = await workbench()
    engine = await bench.engine('source')
    const location = `s3://backups/here?endpoint=${encodeURIComponent(ceph.endpoint)}`
    const tools = { credentials: { ...ceph.keys }, clock: () => new Date(), random: randomBytes }
    ctx = bench.context(engine, await bench.repository('repository', { storage: await openStorage(location, tools) }))
    await engine.run(
      'CREATE DATABASE posthog',
      `CREATE TABLE posthog.sharded_events (id UInt64, event LowCardinality(String), properties String) ENGINE = MergeTree
         ORDER BY id SETTINGS min_bytes_for_wide_part = 0`,
      "INSERT INTO posthog.sharded_events SELECT number, ['pageview', 'click'][1 + number % 2], randomString(800) FROM numbers(30000)",
    )
    backup = (await ctx.backup()).summary
  })
  afterAll(async () => {
    await bench[Symbol.asyncDispose]()
    await ceph[Symbol.asyncDispose]()
  })

  /** Several statements, one view. */
  function ask(
    statements: readonly string[],
    look: (view: View) => void = () => undefined,
  ): Promise<readonly string[]> {
    const view = { backups: [{ backup }], selector: parseSelector([]), partitions: [] }
    return withView(ctx, { ...view, scratch: join(bench.directory, 'scratch') }, async (one) => {
      const answers: string[] = []
      for (const statement of statements) {
        const chunks: Uint8Array[] = []
        for await (const chunk of one.ask(statement, { format: 'TSV' })) chunks.push(chunk)
        answers.push(Buffer.concat(chunks).toString())
        look(one)
      }
      return answers
    })
  }

  async function live(statement: string): Promise<string> {
    return (await engine.rows(statement)).map((row) => `${Object.values(row).join('\t')}\n`).join('')
  }

  it('gives the answer of the live engine, and fetches the columns that it needs', async () => {
    const shares: number[] = []
    const answers = await ask([BY_EVENT, ALL_BYTES], (view) => {
      const { fetched, stored } = view.fetched()
      shares.push(fetched / stored)
    })
    expect(answers).toEqual([await live(BY_EVENT), await live(ALL_BYTES)])
    expect(shares[0]).toBeLessThan(0.1)
    expect(shares[1]).toBeGreaterThan(0.9)
  })

  it('is an error that names table, part and file when a segment is damaged, and never a wrong answer', async () => {
    const s3 = ceph.client()
    for (const key of await packs(s3)) await flip(s3, key)
    await expect(ask([ALL_BYTES])).rejects.toMatchObject({
      code: 'DAMAGED',
      message: expect.stringMatching(/^posthog\.sharded_events all_1_1_0 properties\S*\.bin: .* in pack [0-9a-f]{64}$/),
    })
    // What was not touched is still right.
    expect(await ask([BY_EVENT])).toEqual([await live(BY_EVENT)])
  })
})

async function packs(s3: S3Client): Promise<readonly string[]> {
  const { Contents = [] } = await s3.send(new ListObjectsV2Command({ Bucket: 'backups', Prefix: 'here/packs/' }))
  return Contents.flatMap(({ Key }) => (Key === undefined ? [] : [Key]))
}

/** One bit in the middle of an object. */
async function flip(s3: S3Client, Key: string): Promise<void> {
  const { Body } = await s3.send(new GetObjectCommand({ Bucket: 'backups', Key }))
  const bytes = await Body?.transformToByteArray()
  if (!bytes) throw new Error(`${Key} is not there`)
  const middle = bytes.length >> 1
  bytes[middle] = (bytes[middle] ?? 0) ^ 0x10
  await s3.send(new PutObjectCommand({ Bucket: 'backups', Key, Body: bytes }))
}
