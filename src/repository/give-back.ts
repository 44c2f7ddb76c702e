/** Smaller ones come out of memory that Node.js shares between many. */
const LARGE = 256 * 1024
let last: ArrayBuffer | undefined

/**
 * Give memory back that nobody looks at any more, when the next is given back. It lies outside of V8's heap, and V8 lets some
 * 80 MiB of it pile up on each thread before it collects (measured, at a megabyte a frame). One is held back: without it the
 * allocator returns the memory to the kernel each time, and the next one pays for its pages again.
 *
 * @param bytes the only view of its memory
 */
export function giveBack({ buffer }: Uint8Array): void {
  if (!(buffer instanceof ArrayBuffer) || buffer.byteLength < LARGE) return
  last?.transfer(0)
  last = buffer
}
