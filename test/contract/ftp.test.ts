import { afterAll, beforeAll } from 'vitest'
import { ftpStorage } from '../../src/storage/ftp.ts'
import { sftpStorage } from '../../src/storage/sftp.ts'
import { startProftpd } from '../helpers/stores/proftpd.ts'
import type { FtpServer } from '../helpers/stores/proftpd.ts'
import { storageContract } from './storage-contract.ts'

let proftpd: FtpServer
beforeAll(async () => {
  proftpd = await startProftpd()
})
afterAll(() => proftpd[Symbol.asyncDispose]())

storageContract('ftp, proftpd', async () => ftpStorage(proftpd.ftp()))
storageContract('ftps, proftpd', async () => ftpStorage(proftpd.ftp('explicit')))
storageContract('sftp, proftpd', async () => sftpStorage(proftpd.sftp()))
