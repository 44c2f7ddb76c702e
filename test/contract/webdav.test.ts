import { afterAll, beforeAll } from 'vitest'
import { webdavStorage } from '../../src/storage/webdav.ts'
import { startApache, startLighttpd } from '../helpers/stores/webdav-servers.ts'
import type { WebdavServer } from '../helpers/stores/webdav-servers.ts'
import { storageContract } from './storage-contract.ts'

let lighttpd: WebdavServer
let apache: WebdavServer
beforeAll(async () => {
  lighttpd = await startLighttpd()
  apache = await startApache()
})
afterAll(async () => {
  await lighttpd[Symbol.asyncDispose]()
  await apache[Symbol.asyncDispose]()
})

storageContract('webdav, lighttpd', async () => webdavStorage(lighttpd.place()))
storageContract('webdavs, Apache', async () => webdavStorage(apache.place()))
