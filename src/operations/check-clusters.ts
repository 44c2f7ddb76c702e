import { readCreate } from '../core/create-statement.ts'
import { PermafrostError } from '../core/errors.ts'
import type { RestorePlan } from '../core/restore-plan.ts'
import { displayName, sql } from '../core/sql.ts'
import { meaningOf } from '../core/tokenizer.ts'
import { text } from '../engine/engine.ts'
import type { Engine } from '../engine/engine.ts'

/**
 * Distributed tables are made last, and ClickHouse makes none over a cluster that it does not know: look before anything is made.
 *
 * @throws CONFLICT
 */
export async function checkClusters(
  engine: Pick<Engine, 'query'>,
  { steps }: Pick<RestorePlan, 'steps'>,
): Promise<void> {
  const made = steps.filter((step) => step.engine === 'Distributed' && step.action === 'define')
  if (made.length === 0) return
  const rows = await engine.query(sql`SELECT DISTINCT cluster FROM system.clusters`)
  const known = new Set(rows.map((row) => text(row, 'cluster')))
  for (const { create, target } of made) {
    const cluster = clusterOf(create)
    // A macro in it is the server's to fill in.
    if (cluster === undefined || cluster.includes('{') || known.has(cluster)) continue
    throw new PermafrostError(
      'CONFLICT',
      `${displayName(target)} needs the cluster ${cluster}, which the server does not know`,
      {
        hint: [
          'define it in remote_servers of the server’s configuration',
          `or leave it out:  -t '!${displayName(target)}'`,
        ],
      },
    )
  }
}

function clusterOf(create: string): string | undefined {
  const [cluster] = readCreate(create).engine?.arguments ?? []
  return cluster?.names[0] && meaningOf(cluster.names[0])
}
