import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { hasFileServers } from '../helpers/stores/server-process.ts'
import { startTcpFaults } from '../helpers/stores/tcp-faults.ts'
import { workbench } from '../helpers/workbench.ts'
import type { TestEngine, Workbench } from '../helpers/workbench.ts'
import { FILE_SCHEMES, startFileServers } from './file-servers.ts'
import type { FileServers } from './file-servers.ts'
import { cliAt, fillDatabase, wholeProduct } from './scenario.ts'

let bench: Workbench
let engine: TestEngine
beforeAll(async () => {
  bench = await workbench()
  engine = await bench.engine('engine')
})
afterAll(() => bench[Symbol.asyncDispose]())

describe('A disk', () => {
  it('the whole product works at file', async () => {
    const url = `file://${join(bench.directory, 'disk')}`
    await fillDatabase(engine, 'at_file')
    await wholeProduct(cliAt(join(bench.directory, 'file'), engine, { url }), engine, 'at_file')
  })
})

describe.runIf(hasFileServers)('Files on a server', () => {
  let servers: FileServers
  beforeAll(async () => {
    servers = await startFileServers()
  })
  afterAll(() => servers[Symbol.asyncDispose]())

  it.each(FILE_SCHEMES)('the whole product works at %s', async (scheme) => {
    const database = `at_${scheme}`
    await fillDatabase(engine, database)
    await wholeProduct(cliAt(join(bench.directory, scheme), engine, servers.place(scheme)), engine, database)
  })

  describe('a backup that is killed while a pack is on its way', () => {
    const unfinished = (url: string) => readdirSync(join(new URL(url).pathname, 'tmp'))
    // What of a write under way is there to be seen; lighttpd shows nothing that it was not sent whole, nor does rclone with it.
    const killable = [
      ['sftp', unfinished],
      ['ftp', unfinished],
      ['webdav', undefined],
      ['rclone', undefined],
    ] as const

    it.each(killable)(
      'leaves nothing at %s that is taken for whole, and nothing at all after a prune',
      async (...args) => {
        const [scheme, leftAt] = args
        const database = `killed_${scheme}`
        await fillDatabase(engine, database)
        const { port, through, ...place } = servers.place(scheme)
        const cli = cliAt(join(bench.directory, database), engine, place)
        await cli.json('repo', 'init')

        const left = leftAt && (() => leftAt(cli.url))
        await using proxy = await startTcpFaults(port, () => ({ direction: 'up', after: 200_000, act: 'hang' }))
        const { child, result } = cli.start('backup', '-t', `${database}.*`, '-r', through(proxy.port))
        while (child.exitCode === null && (proxy.hits() === 0 || left?.().length === 0)) await sleep(20)
        child.kill('SIGKILL')
        expect((await result).signal).toBe('SIGKILL')
        expect(left?.()).not.toEqual([])
        expect(await cli.json('list')).toEqual([])

        await cli.json('backup', '-t', `${database}.*`)
        await cli.json('verify', '--all', '--level', 'content')
        await cli.json('prune', '--min-age', '0s', '--yes')
        expect(left?.() ?? []).toEqual([])
        expect(await cli.json('prune', '--min-age', '0s', '--dry-run')).toMatchObject({ plan: { dead: [] } })
      },
    )
  })
})
