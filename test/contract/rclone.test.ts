import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, describe, expect, it } from 'vitest'
import { openStorage } from '../../src/storage/open.ts'
import { hasFileServers, removeDirectory, serverDirectory } from '../helpers/stores/server-process.ts'
import { storageContract } from './storage-contract.ts'

const directory = serverDirectory('rclone')
process.env['RCLONE_CONFIG'] = join(directory, 'rclone.conf')
writeFileSync(join(directory, 'rclone.conf'), `[box]\ntype = alias\nremote = ${directory}\n`)
afterAll(() => removeDirectory(directory))

describe.runIf(hasFileServers)('rclone', () => {
  let places = 0
  // A remote that is a plain disk: docs/locations.md says so.
  storageContract(
    'rclone',
    () => openStorage(`rclone:box:place-${places++}/repository`, { clock: () => new Date(), random: randomBytes }),
    { grows: true },
  )

  it('rclone ends with the process that started it, even by SIGKILL', async () => {
    const module = new URL('../../src/storage/rclone.ts', import.meta.url).href
    const script = `const { rcloneStorage } = await import('${module}')
  await rcloneStorage('box:killed').head('nothing')
  process.stdout.write('ready')
  setInterval(() => undefined, 1000)`
    const parent = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    await once(parent.stdout, 'data')
    const children = readFileSync(`/proc/${parent.pid}/task/${parent.pid}/children`, 'utf8').trim().split(' ')
    expect(children).toHaveLength(1)
    expect(readFileSync(`/proc/${children[0]}/cmdline`, 'utf8')).toContain('rclone')
    parent.kill('SIGKILL')
    while (existsSync(`/proc/${children[0]}`)) await sleep(20)
  })

  it('an rclone remote is one of its configuration: one that is spelled out may hold secrets', async () => {
    const open = (location: string) => openStorage(location, { clock: () => new Date(), random: randomBytes })
    for (const location of ['rclone::sftp,host=h,pass=hunter2:path', 'rclone:--config=x:y', 'rclone:path', 'rclone:'])
      await expect(open(location)).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
    await expect(open('rclone::sftp,host=h,pass=hunter2:path')).rejects.not.toThrow('hunter2')
  })
})
