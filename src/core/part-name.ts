/**
 * The parts of a part's name: `partition_min_max_level[_mutation]`. A partition id holds no underscore: values that could
 * bring one are hashed, tuples are joined with a minus, and a number may have one (`-1_1_1_0` is partition `-1`).
 * Source: ClickHouse, src/Storages/MergeTree/MergeTreePartInfo.cpp.
 */
export interface PartName {
  readonly partition: string
  readonly minBlock: number
  readonly maxBlock: number
  readonly level: number
  readonly mutation: number
}

const NAME = /^([^_]+)_(\d+)_(\d+)_(\d+)(?:_(\d+))?$/s
/** `20180101_20180131_1_5_1`: tables made before 19.x without PARTITION BY keep dates in their names, one month a partition. */
const OLD_NAME = /^(\d{6})\d\d_(\d{6})\d\d_(\d+)_(\d+)_(\d+)(?:_(\d+))?$/

/**
 * Read a part's name; `undefined` when it is none, such as a temporary directory's or one with a prefix like `ignored_`.
 *
 * @example
 * parsePartName('202611_1_40_3')?.partition // '202611'
 */
export function parsePartName(name: string): PartName | undefined {
  const old = OLD_NAME.exec(name)
  const [partition, ...numbers] = (old ? [old[1], ...old.slice(3)] : NAME.exec(name)?.slice(1)) ?? []
  if (partition === undefined) return undefined
  const [minBlock = 0, maxBlock = 0, level = 0, mutation = 0] = numbers.map((text) => Number(text ?? 0))
  return { partition, minBlock, maxBlock, level, mutation }
}

/**
 * The order in which parts must be attached: by partition, then by block number. ATTACH gives out new block numbers in the
 * order of the statements, and `ReplacingMergeTree FINAL` keeps the row of the highest block.
 */
export function compareParts(a: string, b: string): number {
  const x = parsePartName(a)
  const y = parsePartName(b)
  if (!x || !y) return a < b ? -1 : 1
  if (x.partition !== y.partition) return x.partition < y.partition ? -1 : 1
  return x.minBlock - y.minBlock || x.maxBlock - y.maxBlock || x.mutation - y.mutation
}

/** Patch parts hold the rows of lightweight updates. FREEZE and BACKUP leave them out without a word. */
export function isPatchPart(name: string): boolean {
  return name.startsWith('patch-')
}
