import type { Hash128 } from './cityhash.ts'
import { must } from './corrupt.ts'
import type { Definitions } from './definitions.ts'
import type { Finding } from './events.ts'
import type { TableName } from './sql.ts'

/** A pack, and what opens it: enough to read any range of it without its header. */
export interface PackRef {
  /** SHA-256 of the object, hex. */
  readonly id: string
  /** The session that wrote it, 32 hex digits: whose data key. */
  readonly session: string
  /** 32 bytes, hex: what its own keys are derived with. */
  readonly salt: string
}

/** A data pack; its size tells, with what is still live in it, when it is not worth reusing. */
export interface DataPackRef extends PackRef {
  /** Bytes of the object. */
  readonly bytes: number
}

/** A block: a stretch of a meta pack, its head in front of its body. */
export interface Pointer {
  readonly pack: PackRef
  /** Where the head begins in the object. */
  readonly offset: number
  /** Stored bytes of the head. */
  readonly head: number
  /** Stored bytes of the body, which follows it. */
  readonly body: number
}

/** A contiguous stretch of a part's stream, in one data pack. */
export interface Segment {
  readonly pack: DataPackRef
  /** Where its first frame begins in the object. */
  readonly offset: number
  /** Bytes of the part that it holds. */
  readonly plain: number
  /** Stored length of each frame; only where a frame is compressed, else they follow from `plain`. */
  readonly frames?: readonly number[]
}

/** A file's path inside its part (`data.bin`, `p.proj/data.bin`) and its size in bytes. */
export type PartFile = readonly [path: string, size: number]

/** Which inode a file was, so that a mutated part that hard-links it need not be read again. */
export interface FileIdentity {
  readonly path: string
  readonly device: number
  readonly inode: number
  /** Nanoseconds since 1970, as decimal digits. */
  readonly modified: string
  /** The file's hash in its part's `checksums.txt`. */
  readonly hash: Hash128
}

export interface PartEntry {
  readonly name: string
  /** SHA-256 of `checksums.txt` and of the files that it does not list: the part's identity. */
  readonly k: string
  /** `system.parts.hash_of_all_files`; absent for parts that only ClickHouse can read (encrypted disks). */
  readonly hash?: Hash128
  readonly rows: number
  readonly bytes: number
  /** The disk that it lay on. */
  readonly disk: string
  /** In stream order: the concatenation of these files is what the segments hold. */
  readonly files: readonly PartFile[]
  readonly segments: readonly Segment[]
  readonly identities?: readonly FileIdentity[]
  /** From an encrypted disk: its files are ciphertext of ClickHouse's own and only an encrypted disk can take it back. */
  readonly encrypted?: true
  /** What was wrong with the part at its source when it was stored. */
  readonly suspect?: readonly string[]
}

/** At most 2,000 parts of one partition. */
export interface BlockEntry {
  readonly block: Pointer
  readonly parts: number
}

/** A partition, wherever its parts lie. */
export interface PartitionFacts {
  /** `system.parts.partition_id`. */
  readonly id: string
  readonly rows: number
  readonly bytes: number
  readonly parts: number
}

export interface PartitionEntry extends PartitionFacts {
  /** Number of parts that were damaged at their source. */
  readonly suspect: number
  /** SHA-256 over the names and identities of its parts: equal digests mean an unchanged partition. */
  readonly digest: string
  readonly blocks: readonly BlockEntry[]
}

/** A column as `system.columns` has it. */
export interface Column {
  readonly name: string
  readonly type: string
}

/** What must be equal before a part may be attached: ATTACH itself compares neither types nor the sorting key. */
export interface TableSchema {
  /** The CREATE statement as ClickHouse prints it. */
  readonly create: string
  readonly columns: readonly Column[]
  readonly partitionKey: string
  readonly sortingKey: string
  readonly primaryKey: string
  readonly samplingKey: string
}

/** A table as it was frozen, wherever its parts lie. */
export interface TableFacts extends TableName {
  /** Absent on servers and databases that have none. */
  readonly uuid?: string
  readonly engine: string
  readonly rows: number
  readonly bytes: number
  readonly parts: number
  /** When its FREEZE was started. */
  readonly frozenAt: string
}

/** A table in a backup's record. */
export interface TableEntry extends TableFacts {
  /** Block with the {@link TableSchema}. */
  readonly schema: Pointer
  /** Block with the table's {@link PartitionEntry} list. */
  readonly partitions: Pointer
}

export interface DatabaseEntry {
  readonly name: string
  readonly engine: string
  readonly create: string
}

/** What `list` shows: small, and sealed apart from the rest. */
export interface BackupSummary {
  readonly id: string
  /** `complete`, or `incomplete` when a finding says that data is missing. */
  readonly status: 'complete' | 'incomplete'
  readonly started: string
  readonly finished: string
  /** The server's host name: `latest@<host>`. */
  readonly host: string
  /** `serverUUID()` where the server has it: whose inodes the manifest speaks of. */
  readonly server: string
  readonly clickhouse: string
  readonly permafrost: string
  readonly session: string
  readonly parent?: string
  readonly tags: readonly string[]
  /** The patterns that chose its tables: backups of the same selection replace one another in retention. */
  readonly selection: readonly string[]
  readonly tables: number
  readonly parts: number
  readonly rows: number
  /** Bytes that it would restore. */
  readonly logical: number
  /** Bytes that it added to the repository, packs and meta packs. */
  readonly stored: number
  /** Logical bytes that were in the repository before. */
  readonly reused: number
  readonly findings: number
}

/** What a backup is made of. */
export interface BackupContents {
  readonly databases: readonly DatabaseEntry[]
  readonly tables: readonly TableEntry[]
  /** Views, dictionaries, queues, functions: what holds no rows of its own. Absent in backups that have none. */
  readonly definitions?: Definitions
  readonly findings: readonly Finding[]
}

/**
 * Refuse a path that could leave the part's directory. Every path out of a repository passes here before it reaches a disk.
 *
 * @throws Corrupt
 */
export function safePath(path: string): string {
  const steps = path.split('/')
  const safe =
    steps.length <= 3 && steps.every((step) => step !== '' && step !== '.' && step !== '..' && !step.includes('\0'))
  must(safe, `path ${JSON.stringify(path)} leaves its part`)
  return path
}

/** A part's directory name: one step, and none that means another directory. */
export function safeName(name: string): string {
  must(safePath(name) === name && !name.includes('/'), `part name ${JSON.stringify(name)} is not a name`)
  return name
}
