import { spawn, spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { sftpStorage } from '../../src/storage/sftp.ts'
import { authorize, makeKey, startSshd } from '../helpers/stores/sshd.ts'
import type { SftpServer } from '../helpers/stores/sshd.ts'
import { hasFileServers } from '../helpers/stores/server-process.ts'
import { storageContract } from './storage-contract.ts'

let sshd: SftpServer
describe.runIf(hasFileServers)('SFTP', () => {
  beforeAll(async () => {
    sshd = await startSshd()
  })
  afterAll(() => sshd[Symbol.asyncDispose]())

  storageContract('sftp, OpenSSH', async () => sftpStorage(sshd.place()))

  describe('a login over SSH', () => {
    const body = Buffer.from('x')

    it('takes a key with its passphrase', async () => {
      const key = join(sshd.directory, 'locked-key')
      makeKey(key, '-N', 'a passphrase')
      authorize(sshd, key)
      const options = { ...sshd.place(), privateKey: readFileSync(key, 'utf8'), passphrase: 'a passphrase' }
      expect(await sftpStorage(options).put('a', body)).toBe('created')
    })

    it('takes a key of an agent', async () => {
      const [key, agent] = [join(sshd.directory, 'agent-key'), join(sshd.directory, 'agent')]
      makeKey(key)
      authorize(sshd, key)
      const child = spawn('ssh-agent', ['-D', '-a', agent], { stdio: 'ignore' })
      try {
        while (!existsSync(agent)) await sleep(10)
        expect(spawnSync('ssh-add', [key], { env: { ...process.env, SSH_AUTH_SOCK: agent } }).status).toBe(0)
        const options = { ...sshd.place(), privateKey: undefined, agent }
        expect(await sftpStorage(options).put('a', body)).toBe('created')
      } finally {
        child.kill()
      }
    })
  })
})
