let last: ArrayBufferLike | undefined

/**
 * Give memory back that nobody looks at any more, when the next is given back. It lies outside of V8's heap, and V8 lets some
 * 80 MiB of it pile up on each thread before it collects (measured, at a megabyte a frame). One is held back: without it the
 * allocator returns the memory to the kernel each time, and the next one pays for its pages again.
 */
export function giveBack(buffer: ArrayBufferLike): void {
  if (last instanceof ArrayBuffer) last.transfer(0)
  last = buffer
}
