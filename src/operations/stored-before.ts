import type { Table } from '../engine/catalog.ts'
import type { Journals } from '../repository/journal.ts'
import { reachable } from '../repository/reachable.ts'
import type { Reachable } from '../repository/reachable.ts'
import type { Context } from './context.ts'
import { keysToAvoid } from './keys-to-avoid.ts'
import { findParents } from './parents.ts'
import type { Parents } from './parents.ts'

/** What a repository has of tables before they are backed up. */
export interface StoredBefore {
  readonly reach: Reachable
  /** Keys that must not be pointed to; what is lost on the way is added. */
  readonly avoid: Set<string>
  /** What runs that ended early have stored. */
  readonly interrupted: Journals
  /** What need not be stored again. With other journals than `interrupted` it is read anew. */
  parents(journals: Journals): Promise<Parents>
}

export interface StoredBeforeOptions {
  /** `BackupSummary.server` */
  readonly server: string
  readonly tables: readonly Table[]
  readonly interrupted: Journals
}

/** Read what is there. It needs no frozen table, so it can be done while the server freezes them. */
export async function storedBefore(
  { repository, emit }: Pick<Context, 'repository' | 'emit'>,
  { server, tables, interrupted }: StoredBeforeOptions,
): Promise<StoredBefore> {
  const reach = reachable(repository)
  const avoid = new Set(await keysToAvoid(repository))
  const find = (journals: Journals) => findParents(repository, tables, { server, reach, journals, avoid, emit })
  const first = await find(interrupted)
  return { reach, avoid, interrupted, parents: async (journals) => (journals === interrupted ? first : find(journals)) }
}
