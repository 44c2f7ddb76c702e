import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { removeUnfinished } from '../../../src/repository/unfinished.ts'
import { fileStorage } from '../../../src/storage/file.ts'
import { memoryStorage } from '../../../src/storage/memory.ts'
import { keysOf } from '../../helpers/workbench.ts'

it('an unfinished write is deleted when it is old, and nothing else is', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'permafrost-unfinished-'))
  const storage = fileStorage(directory)
  for (const key of ['tmp/one', 'packs/aa/one']) await storage.put(key, Buffer.from('x'))
  await removeUnfinished(storage, { before: new Date(Date.now() - 3_600_000) })
  expect(await keysOf(storage)).toEqual(['packs/aa/one', 'tmp/one'])
  await removeUnfinished(storage, { before: new Date(Date.now() + 3_600_000) })
  expect(await keysOf(storage)).toEqual(['packs/aa/one'])
  rmSync(directory, { recursive: true })
})

it('an unfinished write whose age no store tells is kept', async () => {
  const storage = memoryStorage()
  await storage.put('tmp/one', Buffer.from('x'))
  await removeUnfinished(storage, { before: new Date(Date.now() + 3_600_000) })
  expect(await keysOf(storage)).toEqual(['tmp/one'])
})
