import type { IncomingMessage } from 'node:http'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startGcs } from '../helpers/stores/gcs.ts'
import type { Gcs } from '../helpers/stores/gcs.ts'
import { startHttpFaults } from '../helpers/stores/http-faults.ts'
import { workbench } from '../helpers/workbench.ts'
import type { Workbench } from '../helpers/workbench.ts'
import { cliAt, fillDatabase } from './scenario.ts'
import type { PlaceCli } from './scenario.ts'

const isPart = ({ headers }: IncomingMessage): boolean => headers['range'] !== undefined
const url = (port: number) => `gs://backups/prod?endpoint=${encodeURIComponent(`http://127.0.0.1:${port}`)}`

describe('A bit of a range that flips on its way from the store', () => {
  let bench: Workbench
  let gcs: Gcs
  let cli: PlaceCli
  beforeAll(async () => {
    bench = await workbench()
    gcs = await startGcs()
    const engine = await bench.engine('engine')
    await fillDatabase(engine, 'shop')
    const credentials = { 'service-account': gcs.account('writer') }
    cli = cliAt(join(bench.directory, 'cli'), engine, { url: url(gcs.port), credentials })
    await cli.json('repo', 'init')
    await cli.json('backup', '-t', 'shop.*')
  })
  afterAll(async () => {
    await bench[Symbol.asyncDispose]()
    await gcs[Symbol.asyncDispose]()
  })

  it.each([
    ['verify', '--level', 'content'],
    ['verify', '--level', 'scrub'],
    ['restore', 'latest', '--as', 'again'],
  ])('is no damage when the bytes are right the second time: %s %s %s', async (...command) => {
    const seen = new Set<string>()
    await using proxy = await startHttpFaults(gcs.port, (asked) => {
      const { pathname } = new URL(asked.url ?? '', 'http://any')
      if (!isPart(asked) || seen.has(pathname)) return undefined
      seen.add(pathname)
      return { act: 'flip', direction: 'down' }
    })
    await cli.json(...command, '-r', url(proxy.port))
    expect(proxy.hits()).toBeGreaterThan(1)
  })

  it('is damage when it is so every time', async () => {
    await using proxy = await startHttpFaults(gcs.port, (asked) =>
      isPart(asked) && asked.url?.includes('packs%2F') ? { act: 'flip', direction: 'down' } : undefined,
    )
    const { code } = await cli.start('verify', '--level', 'content', '--no-record', '-r', url(proxy.port)).result
    expect(code).toBe(13)
  })
})
