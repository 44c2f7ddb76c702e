export interface ListQuery {
  readonly prefix: string
  /** Keys that hold it behind the prefix are shown as one folder; empty for none. */
  readonly delimiter: string
  /** Keys and folders of a page. */
  readonly most: number
  /** Where the page before ended, or empty. */
  readonly after: string
}

export interface ListPage {
  readonly keys: readonly string[]
  readonly folders: readonly string[]
  /** Where the next page begins; absent with the last one. */
  readonly next?: string
}

/** A page of a listing, as S3 makes them. @param sorted all keys, in order */
export function listPage(sorted: readonly string[], { prefix, delimiter, most, after }: ListQuery): ListPage {
  const keys: string[] = []
  const folders: string[] = []
  let last = after
  for (let at = firstBehind(sorted, after, prefix); at < sorted.length;) {
    const key = sorted[at] as string
    if (!key.startsWith(prefix)) break
    if (keys.length + folders.length >= most) return { keys, folders, next: last }
    const cut = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length)
    if (cut < 0) {
      keys.push(key)
      last = key
      at++
    } else {
      const folder = key.slice(0, cut + delimiter.length)
      folders.push(folder)
      // Behind everything in the folder: names of ClickHouse's files end before the tilde.
      last = `${folder}~`
      at = firstFrom(sorted, last)
    }
  }
  return { keys, folders }
}

function firstBehind(sorted: readonly string[], after: string, prefix: string): number {
  const at = firstFrom(sorted, after > prefix ? after : prefix)
  return after !== '' && sorted[at] === after ? at + 1 : at
}

function firstFrom(sorted: readonly string[], key: string): number {
  let low = 0
  let high = sorted.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((sorted[middle] as string) < key) low = middle + 1
    else high = middle
  }
  return low
}
