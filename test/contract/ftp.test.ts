import { afterAll, beforeAll, describe } from 'vitest'
import { ftpStorage } from '../../src/storage/ftp.ts'
import { sftpStorage } from '../../src/storage/sftp.ts'
import { startProftpd } from '../helpers/stores/proftpd.ts'
import type { FtpServer } from '../helpers/stores/proftpd.ts'
import { hasFileServers } from '../helpers/stores/server-process.ts'
import { storageContract } from './storage-contract.ts'

// These list a directory at a time, and have no pages.
const FEW = { many: 100 }

let proftpd: FtpServer
describe.runIf(hasFileServers)('FTP', () => {
  beforeAll(async () => {
    proftpd = await startProftpd()
  })
  afterAll(() => proftpd[Symbol.asyncDispose]())

  storageContract('ftp, proftpd', async () => ftpStorage(proftpd.ftp()), FEW)
  storageContract('ftps, proftpd', async () => ftpStorage(proftpd.ftp('explicit')), FEW)
  storageContract('sftp, proftpd', async () => sftpStorage(proftpd.sftp()), FEW)
})
