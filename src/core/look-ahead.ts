export interface LookAhead<T, R> {
  readonly start: (item: T) => Promise<R>
  readonly weightOf: (item: T) => number
  /** So much is begun beyond the item at hand. */
  readonly most: number
}

/** Items with what comes of them, in their order, while the next ones are begun already. */
export async function* lookAhead<T, R>(
  items: Iterable<T>,
  { start, weightOf, most }: LookAhead<T, R>,
): AsyncGenerator<readonly [T, R]> {
  const begun: { readonly item: T; readonly result: Promise<R> }[] = []
  let weight = 0
  const takeFirst = async (): Promise<readonly [T, R]> => {
    const { item, result } = begun.shift() as (typeof begun)[number]
    weight -= weightOf(item)
    return [item, await result]
  }
  const isEnough = () => weight > most && begun.length > 0
  for (const item of items) {
    const result = start(item)
    // Awaited in its turn; another one may fail before it.
    result.catch(() => undefined)
    begun.push({ item, result })
    weight += weightOf(item)
    while (isEnough()) yield await takeFirst()
  }
  while (begun.length > 0) yield await takeFirst()
}
