import { createHash } from 'node:crypto'
import { parseChecksums } from '../core/checksums.ts'
import type { Checksums } from '../core/checksums.ts'
import { LARGE_FILE } from '../core/part-stream.ts'
import { decompress } from './pack-format.ts'

/**
 * A part's identity `k`: SHA-256 over, for each of its identity files in stream order, the path, a zero byte, the size as
 * 64 bits little-endian, and the bytes (of files up to 1 MiB). {@link isIdentity} says which files these are: every
 * `checksums.txt`, and what it does not list. So `k` pins the whole part by a few kilobytes.
 */
export interface IdentityHash {
  file(path: string, size: number): void
  bytes(bytes: Uint8Array): void
  digest(): string
}

export function identityHash(): IdentityHash {
  const hash = createHash('sha256')
  return {
    file: (path, size) => {
      const length = Buffer.alloc(8)
      length.writeBigUInt64LE(BigInt(size))
      hash.update(path).update('\0').update(length)
    },
    bytes: (bytes) => void hash.update(bytes),
    digest: () => hash.digest('hex'),
  }
}

/**
 * Does this file belong to the identity of its part? Where there is a `checksums.txt`: it, and all that it does not list.
 * Where there is none that can be read (an encrypted disk, a damaged part): the `*.txt` and `*.json`. Ciphertext is as
 * unique as its part, and a damaged part is stored again by every backup.
 */
export function isIdentity(name: string, checksums: Checksums | undefined): boolean {
  return checksums ? !checksums.has(name) : name.endsWith('.txt') || name.endsWith('.json')
}

/** Larger files enter the identity by path and size alone; ClickHouse writes no unlisted file of more than a few kilobytes. */
export const IDENTITY_BYTES = LARGE_FILE

/** Files on a disk of type `encrypted` begin with this (ClickHouse: src/IO/FileEncryptionCommon.cpp). */
export function isEncrypted(bytes: Uint8Array): boolean {
  return bytes.length >= 64 && bytes[0] === 0x45 && bytes[1] === 0x4e && bytes[2] === 0x43
}

/** Read a `checksums.txt`. @throws Corrupt */
export function readChecksums(bytes: Uint8Array): Checksums {
  return parseChecksums(bytes, { zstd: decompress })
}

/** SHA-256 over the names, identities and disks of a partition's parts: equal digests mean that nothing changed. */
export function partitionDigest(
  parts: readonly { readonly name: string; readonly k: string; readonly disk: string }[],
): string {
  const lines = parts.map(({ name, k, disk }) => `${name}\t${k}\t${disk}\n`)
  return createHash('sha256').update(lines.sort().join('')).digest('hex')
}
