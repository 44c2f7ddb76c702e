let last: ArrayBuffer | undefined

/**
 * Give the memory of a cipher's output back, when the next one is given back. It lies outside of V8's heap, and V8 lets some
 * 80 MiB of it pile up on each thread before it collects (measured, at a megabyte a frame). One is held back: without it the
 * allocator returns the memory to the kernel after each frame, and the next one pays for its pages again.
 *
 * @param input of the cipher; without encryption the output is a view of it, and stays
 */
export function release(output: Uint8Array, input: Uint8Array): void {
  const { buffer } = output
  const isOwn = buffer instanceof ArrayBuffer && buffer !== input.buffer && buffer.byteLength === output.byteLength
  if (!isOwn) return
  last?.transfer(0)
  last = buffer
}
