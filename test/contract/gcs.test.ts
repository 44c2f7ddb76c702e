import { randomBytes, randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openStorage } from '../../src/storage/open.ts'
import type { Storage } from '../../src/storage/storage.ts'
import { startGcs } from '../helpers/stores/gcs.ts'
import type { Gcs } from '../helpers/stores/gcs.ts'
import { storageContract } from './storage-contract.ts'

let gcs: Gcs

describe('Google Cloud Storage', () => {
  beforeAll(async () => {
    gcs = await startGcs()
  })
  afterAll(() => gcs[Symbol.asyncDispose]())

  storageContract('gs, a server of our own', () => openAt(''))

  it('puts packs into a class and below a key, and leaves records in the ordinary class', async () => {
    const storage = await openAt('&class=NEARLINE&kms-key=projects/p/locations/l/keyRings/r/cryptoKeys/k')
    await storage.put('packs/aa/one', new Uint8Array(200_000))
    await storage.put('backups/one', new Uint8Array(2000))
    const stored = (ending: string) => [...gcs.objects].find(([name]) => name.endsWith(ending))?.[1]
    expect(stored('packs/aa/one')).toMatchObject({
      resource: { storageClass: 'NEARLINE' },
      kmsKeyName: 'projects/p/locations/l/keyRings/r/cryptoKeys/k',
    })
    expect(stored('backups/one')?.resource).toMatchObject({ storageClass: 'STANDARD' })
  })
})

function openAt(options: string): Promise<Storage> {
  return openStorage(`gs://backups/${randomUUID()}?endpoint=${encodeURIComponent(gcs.endpoint)}${options}`, {
    credentials: { 'service-account': gcs.account('writer') },
    clock: () => new Date(),
    random: randomBytes,
  })
}
