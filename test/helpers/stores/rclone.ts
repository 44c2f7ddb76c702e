import { appendFileSync } from 'node:fs'
import type { WebdavOptions } from '../../../src/storage/webdav-client.ts'
import { runTool } from './server-process.ts'

/** Add a WebDAV server to a configuration of rclone's; the place there as `name:path`. */
export function addRemote(
  configuration: string,
  name: string,
  { url, user = '', password = '' }: WebdavOptions,
): string {
  const pass = runTool('rclone', 'obscure', password).trim()
  const { origin, pathname } = new URL(url)
  appendFileSync(
    configuration,
    `[${name}]\ntype = webdav\nvendor = other\nurl = ${origin}\nuser = ${user}\npass = ${pass}\n`,
  )
  return `${name}:${pathname.slice(1)}`
}
