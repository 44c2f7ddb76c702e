import { layout } from '../core/layout.ts'
import { listBackups } from '../repository/backups.ts'
import { planCollection } from '../repository/collection-plan.ts'
import type { Repository } from '../repository/repository.ts'
import { listPacks } from '../repository/list-packs.ts'

export interface RepositoryInfo {
  readonly id: string
  readonly location: string
  readonly created: string
  readonly suite: string
  readonly packTarget: number
  readonly backups: number
  readonly hosts: readonly string[]
  readonly oldest?: string
  readonly newest?: string
  /** Bytes that all backups together would restore. */
  readonly logical: number
  readonly packs: number
  readonly packBytes: number
  readonly metaPacks: number
  readonly metaBytes: number
  /** How often a stored byte is used. */
  readonly dedup: number
  /** In packs that no backup reaches: what a prune would free. */
  readonly deadBytes: number
  /** Bytes that backups added, by the month that they were made in. */
  readonly growth: Readonly<Record<string, number>>
}

/** What a repository holds, and how it grows. @throws DAMAGED */
export async function repositoryInfo(repository: Repository, now: Date): Promise<RepositoryInfo> {
  const { storage, format } = repository
  const listed = (await listBackups(repository)).flatMap((one) => (one.outcome === 'read' ? [one.summary] : []))
  const packs = [...(await listPacks(repository)).values()]
  const bytesOf = (prefix: string) => packs.filter(({ key }) => key.startsWith(prefix))
  const sum = (sizes: readonly number[]) => sizes.reduce((total, size) => total + size, 0)
  const [data, meta] = [bytesOf(layout.packs.prefix), bytesOf(layout.meta.prefix)]
  const stored = sum(packs.map(({ size }) => size))
  const logical = sum(listed.map((summary) => summary.logical))
  const months = Map.groupBy(listed, ({ started }) => started.slice(0, 7))
  const plan = await planCollection(repository, { now, minAge: 0, confirmed: true, few: 0 })
  const [oldest, newest] = [listed[0], listed.at(-1)]
  return {
    id: format.id,
    location: storage.location,
    created: format.created,
    suite: format.suite,
    packTarget: format.packTarget,
    backups: listed.length,
    hosts: [...new Set(listed.map(({ host }) => host))].toSorted(),
    ...(oldest && { oldest: oldest.started }),
    ...(newest && { newest: newest.started }),
    logical,
    packs: data.length,
    packBytes: sum(data.map(({ size }) => size)),
    metaPacks: meta.length,
    metaBytes: sum(meta.map(({ size }) => size)),
    dedup: stored === 0 ? 1 : logical / stored,
    deadBytes: plan.deadBytes,
    growth: Object.fromEntries([...months].map(([month, list]) => [month, sum(list.map((summary) => summary.stored))])),
  }
}
