import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { PutBucketPolicyCommand } from '@aws-sdk/client-s3'
import { ContainerSASPermissions } from '@azure/storage-blob'
import { afterAll, beforeAll, describe, it } from 'vitest'
import { freePort } from '../../src/engine/free-port.ts'
import { openStorage } from '../../src/storage/open.ts'
import type { Storage } from '../../src/storage/storage.ts'
import { startAzurite } from '../helpers/stores/azurite.ts'
import type { Azurite } from '../helpers/stores/azurite.ts'
import { hasCeph, startCeph, WITH_SESSIONS } from '../helpers/stores/ceph.ts'
import type { Ceph, S3Keys } from '../helpers/stores/ceph.ts'
import { makeCertificate } from '../helpers/stores/certificate.ts'
import { startGcs } from '../helpers/stores/gcs.ts'
import type { Gcs } from '../helpers/stores/gcs.ts'
import { removeDirectory, serverDirectory } from '../helpers/stores/server-process.ts'
import { everythingWorks } from './everything.ts'
import { holds } from './holds.ts'

const open = (url: string, credentials: Readonly<Record<string, string>>): Promise<Storage> =>
  openStorage(url, { credentials, clock: () => new Date(), random: randomBytes, limits: { patience: 2 } })
const at = (endpoint: string) => `endpoint=${encodeURIComponent(endpoint)}`

const directory = serverDirectory('cloud-errors')
const certificate = makeCertificate(directory)
const trusted = `&ca=${certificate.certificateFile}`
afterAll(() => removeDirectory(directory))

describe.runIf(hasCeph)('S3 says what is wrong:', () => {
  let ceph: Ceph
  beforeAll(async () => {
    ceph = await startCeph(certificate)
    await ceph.bucket('backups')
  })
  afterAll(() => ceph[Symbol.asyncDispose]())

  const s3 = (keys: Partial<S3Keys> = {}, { bucket = 'backups', endpoint = ceph.endpoint, trust = trusted } = {}) =>
    open(`s3://${bucket}/prod?${at(endpoint)}${trust}`, { ...ceph.keys, ...keys })
  const secrets = () => [ceph.keys['secret-access-key'], 'wrong-secret', 'reader-hunter2']

  it('a server that is not there', async () => {
    const nowhere = { endpoint: `https://127.0.0.1:${await freePort()}` }
    await holds(await s3({}, nowhere), { failure: 'absent', says: /is not there/, secrets: secrets() })
  })

  it('a certificate that nobody trusts', async () => {
    const storage = await s3({}, { trust: '' })
    await holds(storage, { failure: 'untrusted', says: /certificate .* is not trusted/, secrets: secrets() })
  })

  it.each([{ 'access-key-id': 'NOBODY' }, { 'secret-access-key': 'wrong-secret' }])('a wrong key: %o', async (keys) => {
    await holds(await s3(keys), {
      failure: 'unauthenticated',
      says: /does not accept the credentials/,
      secrets: secrets(),
    })
  })

  it('a bucket that is not there', async () => {
    const storage = await s3({}, { bucket: 'nothing' })
    await holds(storage, { failure: 'absent', says: /there is no such bucket/, secrets: secrets() })
  })

  it('somebody who may only read', async () => {
    const reader = await ceph.user('reader')
    const statement = {
      Effect: 'Allow',
      Principal: { AWS: ['arn:aws:iam:::user/reader'] },
      Action: ['s3:GetObject', 's3:ListBucket'],
      Resource: ['arn:aws:s3:::backups', 'arn:aws:s3:::backups/*'],
    }
    const Policy = JSON.stringify({ Version: '2012-10-17', Statement: [statement] })
    await ceph.client().send(new PutBucketPolicyCommand({ Bucket: 'backups', Policy }))
    const storage = await s3(reader)
    await storage.get('packs/aa/one')
    await holds(storage, { failure: 'forbidden', says: /may not write packs\/aa\/one/, secrets: secrets() })
  })

  it('a store that is full', async () => {
    await ceph.admin('quota', 'set', '--quota-scope=user', '--uid=owner', '--max-size=1M')
    await ceph.admin('quota', 'enable', '--quota-scope=user', '--uid=owner')
    await holds(await s3(), { failure: 'full', says: /no space left to write packs\/aa\/one/, secrets: secrets() })
  })
})

describe.runIf(hasCeph)('S3 that gives out sessions says what is wrong:', () => {
  it('a session token that is over', async () => {
    await using ceph = await startCeph(certificate, WITH_SESSIONS)
    await ceph.bucket('backups')
    const keys = await ceph.session(3)
    const storage = await open(`s3://backups/prod?${at(ceph.endpoint)}${trusted}`, keys)
    await storage.put('packs/aa/zero', Buffer.from('x'))
    const works = (): Promise<boolean> =>
      storage.head('packs/aa/zero').then(
        () => true,
        () => false,
      )
    while (await works()) await sleep(100)
    await holds(storage, {
      failure: 'forbidden',
      says: /the credentials may not write packs\/aa\/one/,
      hints: /get new credentials if the session token is over/,
      secrets: [keys['secret-access-key'], keys['session-token']],
    })
  })
})

describe('Azure says what is wrong:', () => {
  let azurite: Azurite
  beforeAll(async () => {
    azurite = await startAzurite(certificate)
  })
  afterAll(() => azurite[Symbol.asyncDispose]())

  const where = ({ container = 'backups', endpoint = azurite.endpoint, trust = trusted } = {}) =>
    `az://${azurite.account}/${container}/prod?${at(endpoint)}${trust}`
  const byKey = () => ({ 'account-key': azurite.key })
  const bySas = async (permissions: string, expiresOn = new Date(Date.now() + 3_600_000)) => {
    const container = azurite.service.getContainerClient('backups')
    const url = await container.generateSasUrl({ permissions: ContainerSASPermissions.parse(permissions), expiresOn })
    return { 'sas-token': new URL(url).search }
  }
  const secrets = () => [azurite.key, 'wrong-secret', 'sig=']

  it('a server that is not there', async () => {
    const nowhere = where({ endpoint: `https://127.0.0.1:${await freePort()}/devstoreaccount1` })
    await holds(await open(nowhere, byKey()), { failure: 'absent', says: /is not there/, secrets: secrets() })
    await holds(await open(nowhere, await bySas('rl')), { failure: 'absent', says: /is not there/, secrets: secrets() })
  })

  it('a certificate that nobody trusts', async () => {
    const storage = await open(where({ trust: '' }), byKey())
    await holds(storage, { failure: 'untrusted', says: /certificate .* is not trusted/, secrets: secrets() })
  })

  it('a wrong key', async () => {
    const storage = await open(where(), { 'account-key': Buffer.from('wrong-secret').toString('base64') })
    await holds(storage, { failure: 'unauthenticated', says: /does not accept the credentials/, secrets: secrets() })
  })

  it('a SAS token that is over', async () => {
    const storage = await open(where(), await bySas('racwdl', new Date(Date.now() - 3_600_000)))
    await holds(storage, { failure: 'unauthenticated', says: /does not accept the credentials/, secrets: secrets() })
  })

  it('a container that is not there', async () => {
    const storage = await open(where({ container: 'nothing' }), byKey())
    await holds(storage, { failure: 'absent', says: /there is no such container/, secrets: secrets() })
  })

  it('a SAS token that may only read; one that may do all of it is enough', async () => {
    const storage = await open(where(), await bySas('rl'))
    await holds(storage, { failure: 'forbidden', says: /may not write packs\/aa\/one/, secrets: secrets() })
    await everythingWorks(await open(where(), await bySas('racwdl')))
  })
})

describe('Google Cloud Storage says what is wrong:', () => {
  let gcs: Gcs
  let later: Gcs
  beforeAll(async () => {
    gcs = await startGcs({ certificate })
    later = await startGcs({ certificate, clock: () => Date.now() + 7_200_000 })
  })
  afterAll(async () => {
    for (const server of [gcs, later]) await server[Symbol.asyncDispose]()
  })

  const gs = (account: string, { bucket = 'backups', endpoint = gcs.endpoint, trust = trusted } = {}) =>
    open(`gs://${bucket}/prod?${at(endpoint)}${trust}`, { 'service-account': account })
  const secrets = ['PRIVATE KEY', 'Bearer']

  it('a server that is not there', async () => {
    const nowhere = { endpoint: `https://127.0.0.1:${await freePort()}` }
    await holds(await gs(gcs.account('writer'), nowhere), { failure: 'absent', says: /is not there/, secrets })
  })

  it('a certificate that nobody trusts', async () => {
    const storage = await gs(gcs.account('writer'), { trust: '' })
    await holds(storage, { failure: 'untrusted', says: /certificate .* is not trusted/, secrets })
  })

  it('the key of a service account that is none any more', async () => {
    const storage = await gs(later.account('writer'))
    await holds(storage, { failure: 'unauthenticated', says: /does not accept the credentials/, secrets })
  })

  it('a token that is over by the time there', async () => {
    const storage = await gs(later.account('writer'), { endpoint: later.endpoint })
    await holds(storage, { failure: 'unauthenticated', says: /does not accept the credentials/, secrets })
  })

  it('a bucket that is not there', async () => {
    const storage = await gs(gcs.account('writer'), { bucket: 'nothing' })
    await holds(storage, { failure: 'absent', says: /there is no such bucket/, secrets })
  })

  it('somebody who may only read', async () => {
    const storage = await gs(gcs.account('reader'))
    await holds(storage, { failure: 'forbidden', says: /may not write packs\/aa\/one/, secrets })
  })
})
