import { expect, test } from 'vitest'
import { walk } from '../../../src/storage/walk.ts'
import type { DirectoryEntry } from '../../../src/storage/walk.ts'

const FILES = ['a', 'packs/00/x', 'packs/00/y', 'packs/0a/z', 'packs/b', 'packs/ff/deep/er/w', 'packs-old/v']

/** A tree, what was read of it, and how many directories were being read at a time. */
function tree(files: readonly string[]) {
  const read: string[] = []
  let reading = 0
  let most = 0
  const entries = async (directory: string): Promise<readonly DirectoryEntry[]> => {
    read.push(directory)
    most = Math.max(most, ++reading)
    await new Promise((resolve) => setImmediate(resolve))
    reading--
    if (directory.includes('broken')) throw new Error(`cannot read ${directory}`)
    const names = files.filter((file) => file.startsWith(directory)).map((file) => file.slice(directory.length))
    const found = new Map(names.map((name) => [name.split('/')[0] ?? '', name.includes('/')]))
    return [...found].toReversed().map(([name, isDirectory]) => ({ name, directory: isDirectory }))
  }
  return { entries, read, most: () => most }
}

async function keysOf(files: ReturnType<typeof walk>): Promise<readonly string[]> {
  const keys: string[] = []
  for await (const { key } of files) keys.push(key)
  return keys
}

test('files come in the order of their keys, whatever the order of directories', async () => {
  expect(await keysOf(walk('', tree(FILES).entries))).toEqual([...FILES].sort())
})

test('only directories that can hold such a key are read', async () => {
  const { entries, read } = tree(FILES)
  expect(await keysOf(walk('packs/0', entries))).toEqual(['packs/00/x', 'packs/00/y', 'packs/0a/z'])
  expect(read.sort()).toEqual(['packs/', 'packs/00/', 'packs/0a/'])
})

test('directories are read ahead, and not all at once', async () => {
  const many = tree(Array.from({ length: 200 }, (_, n) => `packs/${String(n).padStart(3, '0')}/x`))
  expect(await keysOf(walk('packs/', many.entries))).toHaveLength(200)
  expect(many.most()).toBeGreaterThan(1)
  expect(many.most()).toBeLessThanOrEqual(6)
})

test('a directory that cannot be read ends the listing where it stands, and is no unhandled error before', async () => {
  const files = walk('packs/', tree(['packs/00/x', 'packs/0broken/y', 'packs/ff/z']).entries)
  expect((await files.next()).value).toMatchObject({ key: 'packs/00/x' })
  await expect(files.next()).rejects.toThrow('cannot read packs/0broken/')
})
