import { randomBytes } from 'node:crypto'
import { cityHash128, fileHash } from '../src/core/cityhash.ts'
import { CHECKSUMS_FILE } from '../src/core/checksums.ts'
import { NO_DEFINITIONS } from '../src/core/definitions.ts'
import type { Disk } from '../src/core/disk.ts'
import type { Table } from '../src/engine/catalog.ts'
import type { FrozenTable } from '../src/operations/frozen-tables.ts'
import type { ServerToStore } from '../src/operations/store-backup.ts'

/** So many parts: tables × partitions × parts in each. */
export interface Shape {
  readonly tables: number
  readonly partitions: number
  readonly parts: number
}

export const FILES_IN_PART = 60

/** What has no hash in `checksums.txt`; `count.txt` is another one in every part. */
const UNLISTED = [CHECKSUMS_FILE, 'columns.txt', 'count.txt', 'default_compression_codec.txt']
const LISTED = Array.from(
  { length: FILES_IN_PART - UNLISTED.length },
  (_, n) => `column_${String(n >> 1).padStart(2, '0')}.${n % 2 === 0 ? 'bin' : 'cmrk2'}`,
)
const BYTES = new Map<string, Uint8Array>([
  ...LISTED.map((name) => [name, Buffer.from(name.repeat(name.endsWith('.bin') ? 6 : 2))] as const),
  ['columns.txt', Buffer.from('columns format version: 1\n')],
  ['default_compression_codec.txt', Buffer.from('CODEC(LZ4)')],
])
BYTES.set(CHECKSUMS_FILE, checksums())
const ENTRIES = [...UNLISTED, ...LISTED].map((name) => ({ name, kind: 'file' as const }))

/**
 * A frozen server with these parts, whose files exist in no file system: the code of a backup runs on all of them, and a
 * machine needs no 6 million inodes for it.
 *
 * @param changed of every partition, the number of its newest parts that have been written in this round
 */
export function virtualServer(shape: Shape, { round = 0, changed = 0 } = {}): Omit<ServerToStore, 'before'> {
  const tables = Array.from({ length: shape.tables }, (_, number): FrozenTable => {
    const table = tableOf(number)
    const names = Array.from({ length: shape.partitions }, (_p, month) =>
      namesOf(202401 + month, shape, { round, changed }),
    )
    return {
      table,
      at: new Date(),
      parts: names.flat().map((name) => ({ name, directory: `/virtual/${table.name}/${name}`, disk: 'default' })),
    }
  })
  return {
    started: new Date(),
    info: { id: 'virtual', host: 'virtual', version: '26.7' },
    databases: [{ name: 'v', engine: 'Atomic', create: 'CREATE DATABASE v' }],
    tables,
    definitions: NO_DEFINITIONS,
    serverParts: new Map(),
  }
}

function namesOf(
  month: number,
  { parts }: Shape,
  { round, changed }: { readonly round: number; readonly changed: number },
): readonly string[] {
  return Array.from({ length: parts }, (_, n) => {
    const block = n < parts - changed ? n + 1 : round * parts + n + 1
    return `${month}_${block}_${block}_0`
  })
}

function tableOf(number: number): Table {
  const name = `table_${String(number).padStart(3, '0')}`
  return {
    database: 'v',
    name,
    uuid: `00000000-0000-4000-8000-${String(number).padStart(12, '0')}`,
    engine: 'MergeTree',
    paths: [],
    storagePolicy: 'default',
    totalBytes: undefined,
    schema: {
      create: `CREATE TABLE v.${name} (k UInt64) ENGINE = MergeTree ORDER BY k`,
      columns: [{ name: 'k', type: 'UInt64' }],
      partitionKey: '',
      sortingKey: 'k',
      primaryKey: 'k',
      samplingKey: '',
    },
  }
}

/** The disk that these parts lie on; everything else lies on the machine's own. */
export function virtualDisk(real: Disk): Disk {
  const open = new Map<number, { readonly bytes: Uint8Array; at: number }>()
  let last = 1 << 30
  const isVirtual = (path: string) => path.startsWith('/virtual/')
  const bytesOf = (path: string): Uint8Array => {
    const [, , table = '', part = '', file = ''] = path.split('/')
    return BYTES.get(file) ?? Buffer.from(`${table} ${part}`)
  }
  return {
    ...real,
    list: (directory) => (isVirtual(directory) ? ENTRIES : real.list(directory)),
    stat: (path) =>
      isVirtual(path)
        ? {
            directory: false,
            size: bytesOf(path).length,
            device: 1,
            inode: 1,
            modified: '0',
            owner: 0,
            group: 0,
            mode: 0o640,
          }
        : real.stat(path),
    read: (path) => (isVirtual(path) ? bytesOf(path) : real.read(path)),
    open: (path, mode) => {
      if (!isVirtual(path)) return real.open(path, mode)
      open.set(++last, { bytes: bytesOf(path), at: 0 })
      return last
    },
    readInto: (file, into) => {
      const found = open.get(file)
      if (!found) return real.readInto(file, into)
      const piece = found.bytes.subarray(found.at, found.at + into.length)
      into.set(piece)
      found.at += piece.length
      return piece.length
    },
    close: (file) => {
      if (!open.delete(file)) real.close(file)
    },
  }
}

export const random = (size: number): Uint8Array => randomBytes(size)

/** A `checksums.txt` of format 4, in one block that is not compressed. */
function checksums(): Uint8Array {
  const entries = LISTED.map((name) => {
    const bytes = BYTES.get(name) ?? new Uint8Array()
    return Buffer.concat([
      Buffer.from([name.length]),
      Buffer.from(name),
      Buffer.from([bytes.length]),
      hash(fileHash(bytes)),
      Buffer.from([0]),
    ])
  })
  const body = Buffer.concat([Buffer.from([LISTED.length]), ...entries])
  const header = Buffer.alloc(9)
  header[0] = 0x02
  header.writeUInt32LE(body.length + 9, 1)
  header.writeUInt32LE(body.length, 5)
  const block = Buffer.concat([header, body])
  return Buffer.concat([Buffer.from('checksums format version: 4\n'), hash(cityHash128(block)), block])
}

function hash(hex: string): Buffer {
  const bytes = Buffer.alloc(16)
  bytes.writeBigUInt64LE(BigInt(`0x${hex.slice(16)}`), 0)
  bytes.writeBigUInt64LE(BigInt(`0x${hex.slice(0, 16)}`), 8)
  return bytes
}
