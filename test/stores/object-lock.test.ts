import { join } from 'node:path'
import {
  CreateBucketCommand,
  DeleteObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  ListObjectVersionsCommand,
} from '@aws-sdk/client-s3'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { hasCeph, startCeph } from '../helpers/stores/ceph.ts'
import type { Ceph } from '../helpers/stores/ceph.ts'
import { workbench } from '../helpers/workbench.ts'
import type { TestEngine, Workbench } from '../helpers/workbench.ts'
import { cliAt, fillDatabase } from './scenario.ts'
import type { PlaceCli } from './scenario.ts'

const Bucket = 'locked'
const DAY = 86_400_000

describe.runIf(hasCeph)('In a bucket with Object Lock', () => {
  let bench: Workbench
  let engine: TestEngine
  let ceph: Ceph
  let cli: PlaceCli
  const lockedFor = (retain: string) =>
    `s3://${Bucket}/prod?endpoint=${encodeURIComponent(ceph.endpoint)}&lock=governance&retain=${retain}`
  beforeAll(async () => {
    bench = await workbench()
    engine = await bench.engine('engine')
    ceph = await startCeph()
    await ceph.client().send(new CreateBucketCommand({ Bucket, ObjectLockEnabledForBucket: true }))
    await fillDatabase(engine, 'shop')
    const place = { url: lockedFor('2d'), credentials: { ...ceph.keys } }
    cli = cliAt(join(bench.directory, 'cli'), engine, place)
    await cli.json('repo', 'init')
    await cli.json('backup', '-t', 'shop.*')
  })
  afterAll(async () => {
    await bench[Symbol.asyncDispose]()
    await ceph[Symbol.asyncDispose]()
  })

  /** Until when each pack and each backup is locked. */
  async function locks(): Promise<readonly number[]> {
    const { Contents = [] } = await ceph.client().send(new ListObjectsV2Command({ Bucket }))
    const keys = Contents.map(({ Key = '' }) => Key).filter((key) => /^prod\/(packs|meta|backups)\//.test(key))
    expect(keys.length).toBeGreaterThan(2)
    return Promise.all(
      keys.map(async (Key) => {
        const { ObjectLockRetainUntilDate } = await ceph.client().send(new HeadObjectCommand({ Bucket, Key }))
        return ObjectLockRetainUntilDate?.getTime() ?? 0
      }),
    )
  }

  it('all is locked when it is stored, and what stays is locked anew by a prune when half of the time is over', async () => {
    const stored = await locks()
    expect(Math.min(...stored)).toBeGreaterThan(Date.now() + 1.9 * DAY)
    await cli.json('prune', '--yes')
    expect(await locks()).toEqual(stored)
    // Two days are less than half of ten.
    await cli.json('prune', '--yes', '-r', lockedFor('10d'))
    expect(Math.min(...(await locks()))).toBeGreaterThan(Date.now() + 9.9 * DAY)
  })

  it('a prune deletes as everywhere, and the bytes stay until the lock is over', async () => {
    await engine.run(
      'TRUNCATE TABLE shop.events',
      'INSERT INTO shop.events SELECT 1, number, toString(number) FROM numbers(1000)',
    )
    await cli.json('backup', '-t', 'shop.*')
    const [first] = (await cli.json('list')) as readonly { readonly id: string }[]
    await cli.json('forget', first?.id ?? '', '--grace', '0s')
    const pruned = await cli.json('prune', '--min-age', '0s', '--yes')
    expect(pruned).toMatchObject({ collected: { backups: [first?.id] } })
    expect(await cli.json('prune', '--min-age', '0s', '--dry-run')).toMatchObject({ plan: { dead: [] } })
    await cli.json('verify', '--all', '--level', 'content')

    const client = ceph.client()
    const Prefix = `prod/backups/${first?.id}`
    const { Versions = [], DeleteMarkers } = await client.send(new ListObjectVersionsCommand({ Bucket, Prefix }))
    expect(DeleteMarkers).toHaveLength(1)
    const [{ Key, VersionId } = {}] = Versions
    await expect(client.send(new DeleteObjectCommand({ Bucket, Key, VersionId }))).rejects.toMatchObject({
      $metadata: { httpStatusCode: 403 },
    })
  })
})
