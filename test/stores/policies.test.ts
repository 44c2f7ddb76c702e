import { copyFileSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  DeleteObjectCommand,
  DeleteObjectsCommand,
  ListObjectsV2Command,
  PutBucketPolicyCommand,
} from '@aws-sdk/client-s3'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { hasCeph, startCeph } from '../helpers/stores/ceph.ts'
import type { Ceph, S3Keys } from '../helpers/stores/ceph.ts'
import { fingerprint, workbench } from '../helpers/workbench.ts'
import type { TestEngine, Workbench } from '../helpers/workbench.ts'
import { cliAt, fillDatabase } from './scenario.ts'
import type { PlaceCli } from './scenario.ts'

interface Policy {
  readonly Statement: readonly Readonly<Record<string, unknown>>[]
}

/** The policies of the documentation, in its order. */
function policies(): readonly Policy[] {
  const page = readFileSync(new URL('../../docs/locations.md', import.meta.url), 'utf8')
  const [, section = ''] = /\n### Least privilege\n([^]*?)\n##/.exec(page) ?? []
  return [...section.matchAll(/```json\n([^]*?)```/g)].map(([, text = '']) => JSON.parse(text) as Policy)
}

const ROLES = ['agent', 'restorer', 'maintainer'] as const
type Role = (typeof ROLES)[number]

describe.runIf(hasCeph)('With the policies of the documentation, enforced by Ceph,', () => {
  let bench: Workbench
  let engine: TestEngine
  let ceph: Ceph
  let keys: readonly S3Keys[]
  let as: Readonly<Record<Role, PlaceCli>>
  beforeAll(async () => {
    bench = await workbench()
    engine = await bench.engine('engine')
    ceph = await startCeph()
    await ceph.bucket('backups')
    keys = [await ceph.user('agent'), await ceph.user('restorer'), await ceph.user('maintainer')]
    const Statement = policies().flatMap(({ Statement: statements }, n) =>
      statements.map((statement) => ({ ...statement, Principal: { AWS: [`arn:aws:iam:::user/${ROLES[n]}`] } })),
    )
    const Policy = JSON.stringify({ Version: '2012-10-17', Statement })
    await ceph.client().send(new PutBucketPolicyCommand({ Bucket: 'backups', Policy }))

    const cli = (name: string, credentials: S3Keys | undefined): PlaceCli =>
      cliAt(join(bench.directory, name), engine, {
        url: `s3://backups/prod?endpoint=${encodeURIComponent(ceph.endpoint)}`,
        credentials: { ...credentials },
      })
    const owner = cli('owner', ceph.keys)
    await owner.json('repo', 'init')
    const [agent, restorer, maintainer] = ROLES.map((role, n) => {
      const own = cli(role, keys[n])
      copyFileSync(join(owner.directory, 'key'), join(own.directory, 'key'))
      return own
    }) as [PlaceCli, PlaceCli, PlaceCli]
    as = { agent, restorer, maintainer }
    await fillDatabase(engine, 'shop')
  })
  afterAll(async () => {
    await bench[Symbol.asyncDispose]()
    await ceph[Symbol.asyncDispose]()
  })

  const may = async (role: Role, ...args: readonly string[]) => as[role].json(...args)
  const mayNot = async (role: Role, ...args: readonly string[]) => {
    const { code, stderr } = await as[role].start(...args).result
    expect({ role, args, code, stderr }).toMatchObject({
      code: 7,
      stderr: expect.stringMatching(/the credentials may not/),
    })
  }

  it('each role can do its work, and nothing that would destroy a backup but the maintainer', async () => {
    expect(policies()).toHaveLength(ROLES.length)
    await may('agent', 'backup', '-t', 'shop.*')
    await engine.run('INSERT INTO shop.events SELECT 7, number, randomString(150) FROM numbers(1000)')
    await may('agent', 'backup', '-t', 'shop.*')
    await may('agent', 'verify', '--all', '--level', 'content')
    const [first] = (await may('agent', 'list')) as readonly { readonly id: string }[]
    await mayNot('agent', 'forget', first?.id ?? '', '--grace', '0s')

    await may('restorer', 'restore', 'latest', '--as', 'again')
    expect(await fingerprint(engine, { database: 'again', name: 'events' })).toEqual(
      await fingerprint(engine, { database: 'shop', name: 'events' }),
    )
    await mayNot('restorer', 'backup', '-t', 'again.*')
    await mayNot('restorer', 'forget', first?.id ?? '', '--grace', '0s')

    await may('maintainer', 'forget', first?.id ?? '', '--grace', '0s')
    await mayNot('agent', 'prune', '--min-age', '0s', '--yes')
    await mayNot('restorer', 'prune', '--min-age', '0s', '--yes')
    await may('agent', 'verify', '--all', '--level', 'content')
    expect(await may('maintainer', 'prune', '--min-age', '0s', '--yes')).toMatchObject({
      collected: { backups: [first?.id] },
    })
    await may('agent', 'verify', '--all', '--level', 'content')
  })

  it('an agent’s keys delete no pack and no backup, whatever speaks to the store with them', async () => {
    const client = ceph.client(keys[0])
    const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket: 'backups' }))
    const precious = Contents.map(({ Key = '' }) => Key).filter((key) => /^prod\/(backups|packs|meta|keys)\//.test(key))
    expect(precious.length).toBeGreaterThan(3)
    for (const Key of precious)
      await expect(client.send(new DeleteObjectCommand({ Bucket: 'backups', Key }))).rejects.toMatchObject({
        $metadata: { httpStatusCode: 403 },
      })
    const Objects = precious.map((Key) => ({ Key }))
    await client.send(new DeleteObjectsCommand({ Bucket: 'backups', Delete: { Objects } })).catch(() => undefined)
    await may('maintainer', 'verify', '--all', '--level', 'content')
  })
})
