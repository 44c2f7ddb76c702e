import { afterAll, beforeAll } from 'vitest'
import { sftpStorage } from '../../src/storage/sftp.ts'
import { startSshd } from '../helpers/stores/sshd.ts'
import type { SftpServer } from '../helpers/stores/sshd.ts'
import { storageContract } from './storage-contract.ts'

let sshd: SftpServer
beforeAll(async () => {
  sshd = await startSshd()
})
afterAll(() => sshd[Symbol.asyncDispose]())

storageContract('sftp, OpenSSH', async () => sftpStorage(sshd.place()))
