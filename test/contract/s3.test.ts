import { randomBytes, randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe } from 'vitest'
import { openStorage } from '../../src/storage/open.ts'
import type { Storage } from '../../src/storage/storage.ts'
import { hasCeph, startCeph } from '../helpers/stores/ceph.ts'
import type { Ceph, S3Keys } from '../helpers/stores/ceph.ts'
import { storageContract } from './storage-contract.ts'

let ceph: Ceph

describe.runIf(hasCeph)('S3', () => {
  beforeAll(async () => {
    ceph = await startCeph()
    await ceph.bucket('backups')
  })
  afterAll(() => ceph[Symbol.asyncDispose]())
  storageContract('s3, Ceph', () => openAt(''))
})

function openAt(options: string, credentials: S3Keys = ceph.keys): Promise<Storage> {
  const location = `s3://backups/${randomUUID()}?endpoint=${encodeURIComponent(ceph.endpoint)}${options}`
  return openStorage(location, { credentials: { ...credentials }, clock: () => new Date(), random: randomBytes })
}
