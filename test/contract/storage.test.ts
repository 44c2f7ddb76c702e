import { randomBytes } from 'node:crypto'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { fileStorage } from '../../src/storage/file.ts'
import { memoryStorage } from '../../src/storage/memory.ts'
import { openStorage } from '../../src/storage/open.ts'
import { isKey } from '../../src/storage/storage.ts'
import { keysOf } from '../helpers/workbench.ts'
import { storageContract } from './storage-contract.ts'

const directories: string[] = []
const place = (): string => {
  const directory = mkdtempSync(join(tmpdir(), 'permafrost-storage-'))
  directories.push(directory)
  return directory
}
afterAll(() => {
  for (const directory of directories) rmSync(directory, { recursive: true, force: true })
})

storageContract('memory', async () => memoryStorage())
storageContract('file', async () => fileStorage(join(place(), 'repository')))

describe('the storage file, beyond the contract', () => {
  it('leaves no temporary file behind, and passes over those of writers that were killed', async () => {
    const directory = place()
    const storage = fileStorage(directory)
    await storage.put('packs/aa/one', Buffer.from('x'))
    await storage.put('packs/aa/one', Buffer.from('y'), { ifAbsent: true })
    expect(readdirSync(join(directory, 'packs/aa'))).toEqual(['one'])
    writeFileSync(join(directory, 'packs/aa', '.tmp-0123456789abcdef'), 'half')
    expect(await keysOf(storage)).toEqual(['packs/aa/one'])
  })

  it.each(['../outside', '/absolute', 'a/../b', 'a//b', '.hidden', 'a/.tmp-x', '', 'a b', 'ä', 'x'.repeat(201)])(
    'refuses the key %j',
    async (key) => {
      expect(isKey(key)).toBe(false)
      const storage = fileStorage(place())
      await expect(storage.put(key, Buffer.from('x'))).rejects.toMatchObject({ code: 'INTERNAL' })
      await expect(storage.get(key)).rejects.toMatchObject({ code: 'INTERNAL' })
    },
  )

  it('is opened by its URL', async () => {
    const open = (location: string) => openStorage(location, { clock: () => new Date(), random: randomBytes })
    expect((await open('file:///tmp/a%20b/')).location).toBe('file:///tmp/a b')
    for (const bad of ['file://host/path', 'relative', 'http://x', 'file:///tmp?region=x', 's3://key:secret@bucket'])
      await expect(open(bad)).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
    await expect(open('s3://key:hunter2@bucket')).rejects.not.toThrow('hunter2')
  })
})
