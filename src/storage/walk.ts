/** What a directory of a store holds. */
export interface DirectoryEntry {
  readonly name: string
  readonly directory: boolean
}

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
  yield* below(prefix.slice(0, prefix.lastIndexOf('/') + 1))

  async function* below(directory: string): AsyncGenerator<{ readonly key: string; readonly entry: E }> {
    const found = (await read(directory))
      .map((entry) => ({ key: directory + entry.name + (entry.directory ? '/' : ''), entry }))
      .filter(({ key }) => key.startsWith(prefix) || prefix.startsWith(key))
      .sort((a, b) => (a.key < b.key ? -1 : 1))
    for (const file of found) {
      if (file.entry.directory) yield* below(file.key)
      else if (file.key.startsWith(prefix)) yield file
    }
  }
}
