// AssemblyScript, compiled by `npm run build:wasm` into src/core/cityhash-wasm.ts (about 3 KB of code).
//
// CityHash128 as ClickHouse has it: Google's version 1.0.2, kept for ever because it is in the files
// (ClickHouse: contrib/cityhash102). A file's hash chains CityHash128WithSeed over blocks of 2,048 bytes from seed (0, 0)
// (ClickHouse: src/IO/HashingWriteBuffer). SipHash-2-4 with 128 bits of output is ClickHouse's flavour as well
// (ClickHouse: src/Common/SipHash.h): it makes system.parts.hash_of_all_files.
//
// Memory: 0..15 result or state (low, high) · 64..2111 the block carried between two updates · from 4096 on the input.

const k0: u64 = 0xc3a5c85c97cb3127
const k1: u64 = 0xb492b66fbe98f273
const k2: u64 = 0x9ae16a3b2f90404f
const k3: u64 = 0xc949d7c7509e6557
const kMul: u64 = 0x9ddfea08eb382d69

const RESULT: usize = 0
const CARRY: usize = 64
const BLOCK: i32 = 2048

let low: u64 = 0
let high: u64 = 0
let carried: i32 = 0

// @ts-ignore: decorator
@inline
function fetch(at: usize): u64 {
  return load<u64>(at)
}

// @ts-ignore: decorator
@inline
function rotate(value: u64, shift: u64): u64 {
  return rotr<u64>(value, shift)
}

// @ts-ignore: decorator
@inline
function shiftMix(value: u64): u64 {
  return value ^ (value >> 47)
}

// @ts-ignore: decorator
@inline
function hash16(u: u64, v: u64): u64 {
  let a = (u ^ v) * kMul
  a ^= a >> 47
  let b = (v ^ a) * kMul
  b ^= b >> 47
  return b * kMul
}

function hash0to16(at: usize, length: u64): u64 {
  if (length > 8) {
    const a = fetch(at)
    const b = fetch(at + <usize>length - 8)
    return hash16(a, rotate(b + length, length)) ^ b
  }
  if (length >= 4) return hash16(length + (<u64>load<u32>(at) << 3), <u64>load<u32>(at + <usize>length - 4))
  if (length > 0) {
    const a: u32 = load<u8>(at)
    const b: u32 = load<u8>(at + <usize>(length >> 1))
    const c: u32 = load<u8>(at + <usize>length - 1)
    const y: u32 = a + (b << 8)
    const z: u32 = <u32>length + (c << 2)
    return shiftMix((<u64>y * k2) ^ (<u64>z * k3)) * k2
  }
  return k2
}

function shortWithSeed(start: usize, length: u64, seedLow: u64, seedHigh: u64): void {
  let at = start
  let a = seedLow
  let b = seedHigh
  let c: u64 = 0
  let d: u64 = 0
  let left: i64 = <i64>length - 16
  if (left <= 0) {
    a = shiftMix(a * k1) * k1
    c = b * k1 + hash0to16(at, length)
    d = shiftMix(a + (length >= 8 ? fetch(at) : c))
  } else {
    c = hash16(fetch(at + <usize>length - 8) + k1, a)
    d = hash16(b + length, c + fetch(at + <usize>length - 16))
    a += d
    do {
      a ^= shiftMix(fetch(at) * k1) * k1
      a *= k1
      b ^= a
      c ^= shiftMix(fetch(at + 8) * k1) * k1
      c *= k1
      d ^= c
      at += 16
      left -= 16
    } while (left > 0)
  }
  a = hash16(a, c)
  b = hash16(d, b)
  low = a ^ b
  high = hash16(b, a)
}

function hashWithSeed(start: usize, size: u64, seedLow: u64, seedHigh: u64): void {
  if (size < 128) {
    shortWithSeed(start, size, seedLow, seedHigh)
    return
  }
  let at = start
  let length = size
  let x = seedLow
  let y = seedHigh
  let z = length * k1
  let a: u64
  let b: u64
  let c: u64
  let v0 = rotate(y ^ k1, 49) * k1 + fetch(at)
  let v1 = rotate(v0, 42) * k1 + fetch(at + 8)
  let w0 = rotate(y + z, 35) * k1 + x
  let w1 = rotate(x + fetch(at + 88), 53) * k1
  do {
    // Two rounds of 64 bytes, unrolled by hand with x and z exchanging their places: half the moves.
    x = rotate(x + y + v0 + fetch(at + 16), 37) * k1
    y = rotate(y + v1 + fetch(at + 48), 42) * k1
    x ^= w1
    y ^= v0
    z = rotate(z ^ w0, 33)
    a = v1 * k1 + fetch(at)
    b = rotate(x + w0 + a + fetch(at + 24), 21)
    c = a
    a += fetch(at + 8)
    a += fetch(at + 16)
    b += rotate(a, 44)
    v0 = a + fetch(at + 24)
    v1 = b + c
    a = z + w1 + fetch(at + 32)
    b = rotate(y + a + fetch(at + 56), 21)
    c = a
    a += fetch(at + 40)
    a += fetch(at + 48)
    b += rotate(a, 44)
    w0 = a + fetch(at + 56)
    w1 = b + c

    z = rotate(z + y + v0 + fetch(at + 80), 37) * k1
    y = rotate(y + v1 + fetch(at + 112), 42) * k1
    z ^= w1
    y ^= v0
    x = rotate(x ^ w0, 33)
    a = v1 * k1 + fetch(at + 64)
    b = rotate(z + w0 + a + fetch(at + 88), 21)
    c = a
    a += fetch(at + 72)
    a += fetch(at + 80)
    b += rotate(a, 44)
    v0 = a + fetch(at + 88)
    v1 = b + c
    a = x + w1 + fetch(at + 96)
    b = rotate(y + a + fetch(at + 120), 21)
    c = a
    a += fetch(at + 104)
    a += fetch(at + 112)
    b += rotate(a, 44)
    w0 = a + fetch(at + 120)
    w1 = b + c
    at += 128
    length -= 128
  } while (length >= 128)
  y += rotate(w0, 37) * k0 + z
  x += rotate(v0 + z, 49) * k0
  for (let tail: u64 = 0; tail < length; ) {
    tail += 32
    // May point before the tail, into bytes hashed already: so does the reference.
    const p = at + <usize>length - <usize>tail
    y = rotate(y - x, 42) * k0 + v1
    w0 += fetch(p + 16)
    x = rotate(x, 49) * k0 + w0
    w0 += v0
    a = v0 + fetch(p)
    b = rotate(v1 + a + fetch(p + 24), 21)
    c = a
    a += fetch(p + 8)
    a += fetch(p + 16)
    b += rotate(a, 44)
    v0 = a + fetch(p + 24)
    v1 = b + c
  }
  x = hash16(x, v0)
  y = hash16(y, w0)
  low = hash16(x + v1, w1) + y
  high = hash16(x + w1, y + v1)
}

function store128(a: u64, b: u64): void {
  store<u64>(RESULT, a)
  store<u64>(RESULT, b, 8)
}

/** CityHash128 of one buffer: the checksum of a compressed block. */
export function city128(at: usize, size: u32): void {
  const length = <u64>size
  if (length >= 16) hashWithSeed(at + 16, length - 16, fetch(at) ^ k3, fetch(at + 8))
  else if (length >= 8) hashWithSeed(0, 0, fetch(at) ^ (length * k0), fetch(at + <usize>length - 8) ^ k1)
  else hashWithSeed(at, length, k0, k1)
  store128(low, high)
}

/** Begin a file's hash. One file at a time. */
export function fileBegin(): void {
  low = 0
  high = 0
  carried = 0
}

/** Add the next bytes of the file, in pieces of any size. */
export function fileUpdate(start: usize, size: i32): void {
  let at = start
  let left = size
  if (carried) {
    const taken = min<i32>(BLOCK - carried, left)
    memory.copy(CARRY + carried, at, taken)
    carried += taken
    at += taken
    left -= taken
    if (carried < BLOCK) return
    hashWithSeed(CARRY, BLOCK, low, high)
    carried = 0
  }
  while (left >= BLOCK) {
    hashWithSeed(at, BLOCK, low, high)
    at += BLOCK
    left -= BLOCK
  }
  if (left) {
    memory.copy(CARRY, at, left)
    carried = left
  }
}

/** Finish the file's hash into the result. */
export function fileEnd(): void {
  if (carried) hashWithSeed(CARRY, carried, low, high)
  store128(low, high)
}

let v0: u64 = 0
let v1: u64 = 0
let v2: u64 = 0
let v3: u64 = 0

function sipRound(): void {
  v0 += v1
  v1 = rotl<u64>(v1, 13)
  v1 ^= v0
  v0 = rotl<u64>(v0, 32)
  v2 += v3
  v3 = rotl<u64>(v3, 16)
  v3 ^= v2
  v0 += v3
  v3 = rotl<u64>(v3, 21)
  v3 ^= v0
  v2 += v1
  v1 = rotl<u64>(v1, 17)
  v1 ^= v2
  v2 = rotl<u64>(v2, 32)
}

/** SipHash-2-4 with key 0 and 128 bits of output. */
export function sip128(start: usize, size: u32): void {
  v0 = 0x736f6d6570736575
  v1 = 0x646f72616e646f6d
  v2 = 0x6c7967656e657261
  v3 = 0x7465646279746573
  let at = start
  let left = size
  while (left >= 8) {
    const word = fetch(at)
    v3 ^= word
    sipRound()
    sipRound()
    v0 ^= word
    at += 8
    left -= 8
  }
  let word: u64 = <u64>(size & 255) << 56
  for (let i: u32 = 0; i < left; i++) word |= <u64>load<u8>(at + i) << (8 * i)
  v3 ^= word
  sipRound()
  sipRound()
  v0 ^= word
  v2 ^= 0xff
  sipRound()
  sipRound()
  sipRound()
  sipRound()
  store128(v0 ^ v1, v2 ^ v3)
}
