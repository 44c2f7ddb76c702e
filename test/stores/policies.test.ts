import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { PutBucketPolicyCommand } from '@aws-sdk/client-s3'
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
  const [, section = ''] = /\n### Least privilege\n([^]*?)\n## /.exec(page) ?? []
  return [...section.matchAll(/```json\n([^]*?)```/g)].map(([, text = '']) => JSON.parse(text) as Policy)
}

const ROLES = ['agent', 'restorer', 'maintainer'] as const
type Role = (typeof ROLES)[number]

describe.runIf(hasCeph)('With the policies of the documentation, enforced by Ceph,', () => {
  let bench: Workbench
  let engine: TestEngine
  let ceph: Ceph
  let as: Readonly<Record<Role | 'owner', PlaceCli>>
  beforeAll(async () => {
    bench = await workbench()
    engine = await bench.engine('engine')
    ceph = await startCeph()
    await ceph.bucket('backups')
    const keys = [await ceph.user('agent'), await ceph.user('restorer'), await ceph.user('maintainer')]
    const Statement = policies().flatMap(({ Statement: statements }, n) =>
      statements.map((statement) => ({ ...statement, Principal: { AWS: [`arn:aws:iam:::user/${ROLES[n]}`] } })),
    )
    const Policy = JSON.stringify({ Version: '2012-10-17', Statement })
    await ceph.client().send(new PutBucketPolicyCommand({ Bucket: 'backups', Policy }))

    const cli = (name: string, credentials: S3Keys = ceph.keys): PlaceCli =>
      cliAt(join(bench.directory, name), engine, {
        url: `s3://backups/prod?endpoint=${encodeURIComponent(ceph.endpoint)}`,
        credentials: { ...credentials },
      })
    as = {
      owner: cli('shared'),
      agent: cli('shared', keys[0]),
      restorer: cli('shared', keys[1]),
      maintainer: cli('shared', keys[2]),
    }
    await fillDatabase(engine, 'shop')
  })
  afterAll(async () => {
    await bench[Symbol.asyncDispose]()
    await ceph[Symbol.asyncDispose]()
  })

  it('an agent stores, and may neither prune nor forget for good; who restores may not store; a maintainer tidies up', async () => {
    expect(policies()).toHaveLength(ROLES.length)
  })
})
