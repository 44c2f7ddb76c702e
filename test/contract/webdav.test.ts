import { afterAll, beforeAll, describe } from 'vitest'
import { webdavStorage } from '../../src/storage/webdav.ts'
import { startApache, startLighttpd } from '../helpers/stores/webdav-servers.ts'
import type { WebdavServer } from '../helpers/stores/webdav-servers.ts'
import { hasFileServers } from '../helpers/stores/server-process.ts'
import { storageContract } from './storage-contract.ts'

// These list a directory at a time, and have no pages.
const FEW = { many: 100 }

let lighttpd: WebdavServer
let apache: WebdavServer
describe.runIf(hasFileServers)('WebDAV', () => {
  beforeAll(async () => {
    lighttpd = await startLighttpd()
    apache = await startApache()
  })
  afterAll(async () => {
    await lighttpd[Symbol.asyncDispose]()
    await apache[Symbol.asyncDispose]()
  })

  storageContract('webdav, lighttpd', async () => webdavStorage(lighttpd.place()), FEW)
  storageContract('webdavs, Apache', async () => webdavStorage(apache.place()), FEW)
})
