import { randomBytes, randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe } from 'vitest'
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3'
import { openStorage } from '../../src/storage/open.ts'
import type { Storage } from '../../src/storage/storage.ts'
import { hasCeph, startCeph } from '../helpers/stores/ceph.ts'
import type { Ceph, S3Keys } from '../helpers/stores/ceph.ts'
import { storageContract } from './storage-contract.ts'

let ceph: Ceph

describe.runIf(hasCeph)('S3', () => {
  beforeAll(async () => {
    ceph = await startCeph()
    const client = new S3Client({
      endpoint: ceph.endpoint,
      region: 'us-east-1',
      forcePathStyle: true,
      credentials: { accessKeyId: ceph.keys['access-key-id'], secretAccessKey: ceph.keys['secret-access-key'] },
    })
    await client.send(new CreateBucketCommand({ Bucket: 'backups' }))
  })
  afterAll(() => ceph[Symbol.asyncDispose]())
  storageContract('s3, Ceph', () => openAt(''))
})

function openAt(options: string, credentials: S3Keys = ceph.keys): Promise<Storage> {
  const location = `s3://backups/${randomUUID()}?endpoint=${encodeURIComponent(ceph.endpoint)}${options}`
  return openStorage(location, { credentials: { ...credentials }, clock: () => new Date(), random: randomBytes })
}
