import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

const PLATFORMS: Readonly<Record<string, string>> = {
  'linux-x64': '@chdb/lib-linux-x64-gnu',
  'linux-arm64': '@chdb/lib-linux-arm64-gnu',
  'darwin-x64': '@chdb/lib-darwin-x64',
  'darwin-arm64': '@chdb/lib-darwin-arm64',
}

/** Path of `libchdb.so`, which npm's `chdb` brings for this platform. @throws when it is not installed */
export function chdbLibrary(): string {
  const platform = `${process.platform}-${process.arch}`
  const name = PLATFORMS[platform]
  if (!name) throw new Error(`Cannot find module chdb for ${platform}`)
  const chdb = createRequire(createRequire(import.meta.url).resolve('chdb'))
  return join(dirname(chdb.resolve(`${name}/package.json`)), 'libchdb.so')
}
