import { lookAhead } from '../core/look-ahead.ts'

/** What a directory of a store holds. */
export interface DirectoryEntry {
  readonly name: string
  readonly directory: boolean
}

/** So many directories are read ahead of the one at hand: 256 of them hold the packs, and each is a round trip. */
const AHEAD = 4

/**
 * Files below a prefix, in the order of their keys, from a store that lists one directory at a time. Only directories that
 * can hold such a key are read.
 *
 * @param read the entries of a directory, such as `packs/aa/`; none when it is not there
 */
export async function* walk<E extends DirectoryEntry>(
  prefix: string,
  read: (directory: string) => Promise<readonly E[]>,
): AsyncGenerator<{ readonly key: string; readonly entry: E }> {
  const top = prefix.slice(0, prefix.lastIndexOf('/') + 1)
  yield* below(top, await read(top))

  async function* below(
    directory: string,
    entries: readonly E[],
  ): AsyncGenerator<{ readonly key: string; readonly entry: E }> {
    const found = entries
      .map((entry) => ({ key: directory + entry.name + (entry.directory ? '/' : ''), entry }))
      .filter(({ key }) => key.startsWith(prefix) || prefix.startsWith(key))
      .sort((a, b) => (a.key < b.key ? -1 : 1))
    const ahead = lookAhead(found, {
      start: async ({ key, entry }) => (entry.directory ? read(key) : []),
      weightOf: ({ entry }) => (entry.directory ? 1 : 0),
      most: AHEAD,
    })
    for await (const [file, within] of ahead) {
      if (file.entry.directory) yield* below(file.key, within)
      else if (file.key.startsWith(prefix)) yield file
    }
  }
}
