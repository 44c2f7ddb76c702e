import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startAzurite } from '../helpers/stores/azurite.ts'
import { hasCeph, startCeph } from '../helpers/stores/ceph.ts'
import { startGcs } from '../helpers/stores/gcs.ts'
import { startTcpFaults } from '../helpers/stores/tcp-faults.ts'
import { workbench } from '../helpers/workbench.ts'
import type { TestEngine, Workbench } from '../helpers/workbench.ts'
import { cliAt, fillDatabase, wholeProduct } from './scenario.ts'
import type { Place } from './scenario.ts'

/** A store of objects for a test. */
interface Cloud extends AsyncDisposable {
  readonly port: number
  /** A place that no other has, through another port if there is a proxy. */
  place(prefix: string, port?: number): Place
}

let bench: Workbench
let engine: TestEngine
describe('The whole product', () => {
  beforeAll(async () => {
    bench = await workbench()
    engine = await bench.engine('engine')
  })
  afterAll(() => bench[Symbol.asyncDispose]())

  describe.runIf(hasCeph)('on S3, by Ceph', () => {
    onCloud('s3', ceph)
  })
  describe('on Azure, by Azurite', () => {
    onCloud('az', azurite)
  })
  describe('on Google Cloud Storage, by a server of our own', () => {
    onCloud('gs', gcs)
  })
})

async function ceph(): Promise<Cloud> {
  const server = await startCeph()
  await server.bucket('backups')
  const port = Number(new URL(server.endpoint).port)
  return {
    port,
    place: (prefix, by = port) => ({
      url: `s3://backups/${prefix}?endpoint=${encodeURIComponent(`http://127.0.0.1:${by}`)}`,
      credentials: { ...server.keys },
    }),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  }
}

async function azurite(): Promise<Cloud> {
  const server = await startAzurite()
  return {
    port: server.port,
    place: (prefix, by = server.port) => {
      const endpoint = `http://127.0.0.1:${by}/${server.account}`
      return {
        url: `az://${server.account}/backups/${prefix}?endpoint=${encodeURIComponent(endpoint)}`,
        credentials: { 'account-key': server.key },
      }
    },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  }
}

async function gcs(): Promise<Cloud> {
  const server = await startGcs()
  return {
    port: server.port,
    place: (prefix, by = server.port) => ({
      url: `gs://backups/${prefix}?endpoint=${encodeURIComponent(`http://127.0.0.1:${by}`)}`,
      credentials: { 'service-account': server.account('writer') },
    }),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  }
}

function onCloud(name: string, start: () => Promise<Cloud>): void {
  let server: Cloud
  beforeAll(async () => {
    server = await start()
  })
  afterAll(() => server[Symbol.asyncDispose]())

  it('works', async () => {
    const database = `at_${name}`
    await fillDatabase(engine, database)
    await wholeProduct(cliAt(join(bench.directory, name), engine, server.place('whole')), engine, database)
  })

  it('leaves nothing that is taken for whole when it is killed while a pack is on its way, and nothing at all after a prune', async () => {
    const database = `killed_${name}`
    await fillDatabase(engine, database)
    const direct = server.place('killed')
    const cli = cliAt(join(bench.directory, database), engine, direct)
    await cli.json('repo', 'init')

    await using proxy = await startTcpFaults(server.port, () => ({ direction: 'up', after: 200_000, act: 'hang' }))
    const { child, result } = cli.start('backup', '-t', `${database}.*`, '-r', server.place('killed', proxy.port).url)
    while (child.exitCode === null && proxy.hits() === 0) await sleep(20)
    child.kill('SIGKILL')
    expect((await result).signal).toBe('SIGKILL')
    expect(await cli.json('list')).toEqual([])

    await cli.json('backup', '-t', `${database}.*`)
    await cli.json('verify', '--all', '--level', 'content')
    await cli.json('prune', '--min-age', '0s', '--yes')
    expect(await cli.json('prune', '--min-age', '0s', '--dry-run')).toMatchObject({ plan: { dead: [] } })
  })
}
