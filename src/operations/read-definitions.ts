import type { Definitions } from '../core/definitions.ts'
import { readAccess } from '../engine/access.ts'
import { readObjects, readServerEntries } from '../engine/definitions.ts'
import { readMutations } from '../engine/mutations.ts'
import type { BackupPlan } from './backup-plan.ts'
import type { Context } from './context.ts'
import { readOffsets } from './read-offsets.ts'

/**
 * Everything that is selected and holds no rows, and what belongs to the server. Offsets of queues are read before the freeze:
 * reading from there again repeats rows, and leaves out none.
 */
export async function readDefinitions(
  { engine, repository, disk, emit }: Pick<Context, 'engine' | 'repository' | 'disk' | 'emit'>,
  planning: Promise<{ readonly plan: Pick<BackupPlan, 'tables' | 'objects'> }>,
): Promise<Definitions> {
  const info = await engine.describe()
  const secrets = repository.keys.suite !== 'none'
  const readPlanned = async () => {
    const { plan } = await planning
    return { plan, ...(await readObjects(engine, info, { tables: plan.objects, secrets })) }
  }
  const [{ plan, ...read }, access, server] = await Promise.all([
    readPlanned(),
    readAccess(engine, info, { secrets }),
    readServerEntries(engine, info, { secrets }),
  ])
  for (const finding of [...read.findings, ...server.findings, ...access.findings])
    emit({ type: 'finding', ...finding })
  return {
    objects: read.objects,
    server: [...server.entries, ...access.entries],
    mutations: plan.tables.flatMap((table) => readMutations(table, info, disk)),
    offsets: await readOffsets({ engine, emit }, { tables: plan.tables, objects: read.objects }),
  }
}
