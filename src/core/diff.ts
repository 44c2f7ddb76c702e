/** A part, as far as a comparison is concerned. */
export interface ComparedPart {
  readonly name: string
  /** What it is the same by: two parts of one name and identity hold the same bytes. */
  readonly identity: string
  readonly rows: number
  readonly bytes: number
}

export interface ComparedTable {
  readonly database: string
  readonly name: string
  readonly uuid?: string | undefined
  readonly create: string
  readonly partitions: ReadonlyMap<string, readonly ComparedPart[]>
}

export interface PartitionDiff {
  readonly id: string
  readonly change: 'added' | 'dropped' | 'changed'
  readonly added: readonly ComparedPart[]
  readonly removed: readonly ComparedPart[]
  readonly same: number
}

export interface TableDiff {
  readonly database: string
  readonly name: string
  readonly change: 'added' | 'dropped' | 'changed' | 'same'
  /** What it was called before. */
  readonly renamedFrom?: { readonly database: string; readonly name: string }
  /** Lines of the CREATE statement that only one of them has. */
  readonly definition?: { readonly removed: readonly string[]; readonly added: readonly string[] }
  /** Those that differ. */
  readonly partitions: readonly PartitionDiff[]
  readonly rows: number
  readonly bytes: number
}

/** What became of `before` in `after`: tables by uuid, else by name; parts by name and identity. In order of names. */
export function diffTables(before: readonly ComparedTable[], after: readonly ComparedTable[]): readonly TableDiff[] {
  const left = new Set(before)
  const diffs = after.map((table): TableDiff => {
    const old =
      [...left].find((one) => one.uuid !== undefined && one.uuid === table.uuid) ??
      [...left].find((one) => isNamed(one, table))
    if (old) left.delete(old)
    return diffTable(old, table)
  })
  const dropped = [...left].map((table) => diffTable(table, undefined))
  return [...diffs, ...dropped].toSorted((a, b) => compare(a.database, b.database) || compare(a.name, b.name))
}

const EMPTY: ReadonlyMap<string, readonly ComparedPart[]> = new Map()

function diffTable(before: ComparedTable | undefined, after: ComparedTable | undefined): TableDiff {
  const { database, name } = (after ?? before) as ComparedTable
  const [old, now] = [before?.partitions ?? EMPTY, after?.partitions ?? EMPTY]
  const ids = [...new Set([...old.keys(), ...now.keys()])].toSorted(compare)
  const partitions = ids.flatMap((id) => diffPartition(id, old.get(id), now.get(id)) ?? [])
  const definition =
    before && after && before.create !== after.create ? diffLines(before.create, after.create) : undefined
  const renamed = before && after && !isNamed(before, after)
  const sum = (of: 'rows' | 'bytes') =>
    partitions.reduce((total, one) => total + totalOf(one.added, of) - totalOf(one.removed, of), 0)
  return {
    database,
    name,
    change: changeOf({ before, after, isSame: partitions.length === 0 && !definition && !renamed }),
    ...(renamed && { renamedFrom: { database: before.database, name: before.name } }),
    ...(definition && { definition }),
    partitions,
    rows: sum('rows'),
    bytes: sum('bytes'),
  }
}

function changeOf(of: {
  readonly before: ComparedTable | undefined
  readonly after: ComparedTable | undefined
  readonly isSame: boolean
}): TableDiff['change'] {
  if (!of.before) return 'added'
  if (!of.after) return 'dropped'
  return of.isSame ? 'same' : 'changed'
}

function diffPartition(
  id: string,
  before: readonly ComparedPart[] | undefined,
  after: readonly ComparedPart[] | undefined,
): PartitionDiff | undefined {
  const key = (part: ComparedPart) => `${part.name} ${part.identity}`
  const [old, now] = [new Set((before ?? []).map(key)), new Set((after ?? []).map(key))]
  const added = (after ?? []).filter((part) => !old.has(key(part)))
  const removed = (before ?? []).filter((part) => !now.has(key(part)))
  if (added.length === 0 && removed.length === 0) return undefined
  const change = !before ? 'added' : !after ? 'dropped' : 'changed'
  return { id, change, added, removed, same: (after ?? []).length - added.length }
}

function totalOf(parts: readonly ComparedPart[], of: 'rows' | 'bytes'): number {
  return parts.reduce((sum, part) => sum + part[of], 0)
}

function diffLines(before: string, after: string) {
  const [old, now] = [before.split('\n'), after.split('\n')].map((lines) =>
    lines.map((line) => line.trim().replace(/,$/, '')),
  )
  return {
    removed: (old ?? []).filter((line) => !now?.includes(line)),
    added: (now ?? []).filter((line) => !old?.includes(line)),
  }
}

function isNamed(a: ComparedTable, b: ComparedTable): boolean {
  return a.database === b.database && a.name === b.name
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
