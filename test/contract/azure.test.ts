import { randomBytes, randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe } from 'vitest'
import { openStorage } from '../../src/storage/open.ts'
import { startAzurite } from '../helpers/stores/azurite.ts'
import type { Azurite } from '../helpers/stores/azurite.ts'
import { storageContract } from './storage-contract.ts'

let azurite: Azurite

describe('Azure', () => {
  beforeAll(async () => {
    azurite = await startAzurite()
  })
  afterAll(() => azurite[Symbol.asyncDispose]())

  storageContract('az, Azurite', () =>
    openStorage(`az://${azurite.account}/backups/${randomUUID()}?endpoint=${encodeURIComponent(azurite.endpoint)}`, {
      credentials: { 'account-key': azurite.key },
      clock: () => new Date(),
      random: randomBytes,
    }),
  )
})
