import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll } from 'vitest'
import { rcloneStorage } from '../../src/storage/rclone.ts'
import { removeDirectory, serverDirectory } from '../helpers/stores/server-process.ts'
import { storageContract } from './storage-contract.ts'

const directory = serverDirectory('rclone')
process.env['RCLONE_CONFIG'] = join(directory, 'rclone.conf')
writeFileSync(join(directory, 'rclone.conf'), `[box]\ntype = alias\nremote = ${directory}\n`)
afterAll(() => removeDirectory(directory))

let places = 0
storageContract('rclone', async () => rcloneStorage(`box:place-${places++}/repository`))
