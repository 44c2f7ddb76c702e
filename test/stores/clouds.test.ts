import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startTcpFaults } from '../helpers/stores/tcp-faults.ts'
import { workbench } from '../helpers/workbench.ts'
import type { TestEngine, Workbench } from '../helpers/workbench.ts'
import { CLOUDS } from './clouds.ts'
import type { Cloud } from './clouds.ts'
import { cliAt, fillDatabase, wholeProduct } from './scenario.ts'

let bench: Workbench
let engine: TestEngine
beforeAll(async () => {
  bench = await workbench()
  engine = await bench.engine('engine')
})
afterAll(() => bench[Symbol.asyncDispose]())

describe.each(CLOUDS)('The whole product on %s', (_title, { scheme, start }) => {
  let cloud: Cloud
  beforeAll(async () => {
    cloud = await start()
  })
  afterAll(() => cloud[Symbol.asyncDispose]())

  it('works', async () => {
    const database = `at_${scheme}`
    await fillDatabase(engine, database)
    await wholeProduct(cliAt(join(bench.directory, scheme), engine, cloud.place('whole')), engine, database)
  })

  it('leaves nothing that is taken for whole when it is killed while a pack is on its way, and nothing at all after a prune', async () => {
    const database = `killed_${scheme}`
    await fillDatabase(engine, database)
    const direct = cloud.place('killed')
    const cli = cliAt(join(bench.directory, database), engine, direct)
    await cli.json('repo', 'init')

    await using proxy = await startTcpFaults(cloud.port, () => ({ direction: 'up', after: 200_000, act: 'hang' }))
    const { child, result } = cli.start('backup', '-t', `${database}.*`, '-r', cloud.place('killed', proxy.port).url)
    while (child.exitCode === null && proxy.hits() === 0) await sleep(20)
    child.kill('SIGKILL')
    expect((await result).signal).toBe('SIGKILL')
    expect(await cli.json('list')).toEqual([])

    await cli.json('backup', '-t', `${database}.*`)
    await cli.json('verify', '--all', '--level', 'content')
    await cli.json('prune', '--min-age', '0s', '--yes')
    expect(await cli.json('prune', '--min-age', '0s', '--dry-run')).toMatchObject({ plan: { dead: [] } })
  })
})
