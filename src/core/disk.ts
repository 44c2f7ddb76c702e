export interface DiskEntry {
  readonly name: string
  readonly kind: 'file' | 'directory' | 'other'
}

export interface FileStat {
  readonly directory: boolean
  readonly size: number
  readonly device: number
  readonly inode: number
  /** Nanoseconds since 1970, as decimal digits. */
  readonly modified: string
  readonly owner: number
  readonly group: number
  /** Who may do what with it, as in `chmod`. */
  readonly mode: number
}

/**
 * The local file system as Permafrost uses it: part files, shadows, staging. Synchronous, because the workers that use it
 * run one tight loop each. A port, so that tests can count calls and stop between any two of them.
 */
export interface Disk {
  list(directory: string): readonly DiskEntry[]
  stat(path: string): FileStat
  exists(path: string): boolean
  /** A whole small file. */
  read(path: string): Uint8Array
  /** Open to read; or to write a file that must not exist yet. */
  open(path: string, mode: 'read' | 'create'): number
  /** Fill `into` from the file's position; returns how many bytes there were. */
  readInto(file: number, into: Uint8Array): number
  write(file: number, bytes: Uint8Array): void
  close(file: number): void
  makeDirectory(path: string): void
  rename(from: string, to: string): void
  /** A second name for a file, on the same file system. */
  link(from: string, to: string): void
  chown(path: string, owner: { readonly owner: number; readonly group: number }): void
  chmod(path: string, mode: number): void
  /** Make one file or directory survive a power cut. */
  sync(path: string): void
  /** Make a whole tree of new files survive a power cut. */
  syncTree(directory: string): void
  /** Remove a tree; one that is not there is no error. */
  remove(path: string): Promise<void>
}
