/** Items in their order, as many together as weigh no more than `most`; one that weighs more is alone. */
export function inBatches<T>(
  items: readonly T[],
  { weightOf, most }: { readonly weightOf: (item: T) => number; readonly most: number },
): readonly (readonly T[])[] {
  const batches: T[][] = []
  let weight = 0
  for (const item of items) {
    if (batches.length === 0 || weight + weightOf(item) > most) {
      batches.push([])
      weight = 0
    }
    batches.at(-1)?.push(item)
    weight += weightOf(item)
  }
  return batches
}
